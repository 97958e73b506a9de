"""Hypotheses: which gene follows which concept, in which direction, and what speaks against it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.discover.effects import PatientEffects, mean_effect
from histoscribe.explain.discover.tissue_values import CONTROLS

EXPLAINED = 0.5
"""Share of an effect: if a control leaves less of it, the control explains it."""


@final
@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A gene that rises or falls with a concept in training patients."""

    gene: str
    """Its id."""
    symbol: str
    concept: str
    effect: float
    """Mean rank correlation over training patients; its sign is the direction."""
    spurious: tuple[str, ...]
    """Reasons why it may be no relation of gene and tissue; empty if there is none."""
    known: bool
    """Whether it stands in the file of what is known."""

    @property
    def sign(self) -> int:
        """1 for a gene that rises with the concept, -1 for one that falls."""
        return 1 if self.effect > 0 else -1

    @property
    def direction(self) -> str:
        """The sign as a word."""
        return "rises" if self.sign > 0 else "falls"

    def __str__(self) -> str:
        """The hypothesis in words."""
        return f"{self.symbol} {self.direction} with {self.concept}"


@dataclass(frozen=True, kw_only=True)
class PanelNames:
    """Names of genes and concepts, and the pairs that are known."""

    genes: tuple[str, ...]
    symbols: tuple[str, ...]
    concepts: tuple[str, ...]
    known: frozenset[tuple[str, str]] = frozenset()
    """Gene (id or symbol) and concept of what is known."""

    def is_known(self, gene: int, concept: int) -> bool:
        """Whether the pair stands in the file of what is known."""
        names = (self.genes[gene], self.symbols[gene])
        return any((name, self.concepts[concept]) in self.known for name in names)


def hypotheses_of(
    patients: Sequence[PatientEffects],
    sites: Mapping[str, str],
    names: PanelNames,
    *,
    least_effect: float,
    most: int,
) -> list[Hypothesis]:
    """Pairs with a large effect that the network, too, predicts in this direction.

    Parameters
    ----------
    sites
        Site of each patient, where it is known.

    Returns
    -------
    The largest effects first, at most `most`.
    """
    effect = mean_effect(patients)
    predicted = np.nan_to_num(_mean_predicted(patients))
    is_large = np.abs(np.nan_to_num(effect)) >= least_effect
    pairs = np.argwhere(is_large & (np.sign(effect) == np.sign(predicted)))
    # rounded, so that the order of equal effects is that of the panel on every machine
    order = np.argsort(-np.round(np.abs(effect[tuple(pairs.T)]), 9), kind="stable")
    return [
        Hypothesis(
            gene=names.genes[gene],
            symbol=names.symbols[gene],
            concept=names.concepts[concept],
            effect=float(f"{effect[gene, concept]:.6g}"),
            spurious=tuple(spurious_reasons(patients, sites, gene, concept)),
            known=names.is_known(gene, concept),
        )
        for gene, concept in pairs[order[:most]].tolist()
    ]


def spurious_reasons(
    patients: Sequence[PatientEffects], sites: Mapping[str, str], gene: int, concept: int
) -> Iterator[str]:
    """Reasons against a pair: another sign in a patient or site, or a control that explains it."""
    effect = mean_effect(patients)[gene, concept]
    other = [of for of in patients if of.measured[gene, concept] * effect < 0]
    if other:
        yield f"turns sign in patient {', '.join(of.patient for of in other)}"
    for site in sorted({sites[of.patient] for of in patients if of.patient in sites}):
        of_site = [of for of in patients if sites.get(of.patient) == site]
        if mean_effect(of_site)[gene, concept] * effect < 0:
            yield f"turns sign in site {site}"
    for control in CONTROLS:
        if is_explained(patients, gene, concept, control):
            yield f"explained by {control}"


def is_explained(patients: Sequence[PatientEffects], gene: int, concept: int, control: str) -> bool:
    """Whether a control leaves less than half of the mean effect, or turns its sign."""
    effect = mean_effect(patients)[gene, concept]
    left = _defined_mean([of.given[control][gene, concept] for of in patients])
    return bool(left * np.sign(effect) < EXPLAINED * abs(effect))


def _mean_predicted(patients: Sequence[PatientEffects]) -> Float[np.ndarray, "G C"]:
    values = np.stack([of.predicted for of in patients])
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)


def _defined_mean(values: Sequence[float]) -> float:
    known = [float(value) for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
