"""Shape functions and importances of the genes of one class, and their spread over bootstraps.

Patients repeat in a bootstrap, so machines fit them more closely than they fit all patients once:
shapes and importances of bootstraps are compared with those of bootstraps only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.explain.subtypes.classifiers import AdditiveModel, HeldShape, fit_additive
from histoscribe.explain.subtypes.one_class import term_direction
from histoscribe.seed import stream

_N_POINTS = 25


@dataclass(frozen=True, eq=False)
class Shapes:
    """What each gene adds to the log odds of a class."""

    at: Float[np.ndarray, "P F"]
    """Values of each gene: its quantiles over the patients."""
    added: Float[np.ndarray, "P F"]
    """What each adds, fitted on all patients."""
    drawn: Float[np.ndarray, "B P F"]
    """The same on each bootstrap."""
    importance: Float[np.ndarray, "B F"]
    """Mean size of the term over the patients, on each bootstrap."""
    importance_by_chance: Float[np.ndarray, "C F"]
    """The same with permuted labels, on one bootstrap a permutation."""
    direction: Int[np.ndarray, "B F"]
    """Of each bootstrap: 1 for a rising term, -1 for a falling one, 0 for none."""
    constrained: Float[np.ndarray, "P F"] | None
    """As `added`, with the shapes that the user holds; None without any."""

    def share(self, gene: int, shape: str) -> float:
        """Share of bootstraps in which the term of a gene is `rising` or `falling`."""
        return float((self.direction[:, gene] == (1 if shape == "rising" else -1)).mean())

    @property
    def median_importance(self) -> Float[np.ndarray, " F"]:
        """Median over bootstraps."""
        return np.median(self.importance, axis=0)

    def range_of_importance(self) -> Float[np.ndarray, "2 F"]:
        """Middle 95 % over bootstraps."""
        return np.percentile(self.importance, [2.5, 97.5], axis=0)

    @property
    def chance_level(self) -> float:
        """Importance that 95 % of all genes stay below with permuted labels."""
        return float(np.percentile(self.importance_by_chance, 95))


def shapes_of(
    x: Float[np.ndarray, "N F"],
    positive: Bool[np.ndarray, " N"],
    permuted: Sequence[Bool[np.ndarray, " N"]],
    draws: tuple[int, int],
    hold: Mapping[int, HeldShape],
) -> Shapes:
    """Fit all patients, and bootstraps that keep the number of patients of the class.

    `permuted` has the class with labels permuted; `draws` the number of bootstraps and the seed.
    """
    n_bootstraps, seed = draws
    at = np.quantile(x, np.linspace(0, 1, _N_POINTS), axis=0)
    rngs = [stream(seed, f"subtypes-bootstrap-{draw}") for draw in range(n_bootstraps)]
    models = [_on_bootstrap(x, positive, rng) for rng in rngs]
    terms = [model.terms(x) for model in models]
    by_chance = [
        _on_bootstrap(x, of_class, stream(seed, f"subtypes-chance-{draw}")).terms(x)
        for draw, of_class in enumerate(permuted)
    ]
    return Shapes(
        at=at,
        added=fit_additive(x, positive).terms(at),
        drawn=np.array([model.terms(at) for model in models]),
        importance=np.array([np.abs(term).mean(axis=0) for term in terms]),
        importance_by_chance=np.array([np.abs(term).mean(axis=0) for term in by_chance]),
        direction=np.array([term_direction(term, x) for term in terms]),
        constrained=fit_additive(x, positive, hold).terms(at) if hold else None,
    )


def _on_bootstrap(
    x: Float[np.ndarray, "N F"], positive: Bool[np.ndarray, " N"], rng: np.random.Generator
) -> AdditiveModel:
    parts = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    rows = np.concatenate([rng.choice(part, len(part)) for part in parts])
    return fit_additive(x[rows], positive[rows])
