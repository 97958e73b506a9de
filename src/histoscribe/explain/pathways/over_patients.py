"""Means over the sections of a patient, then over patients, and their values by chance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.pathways.compared_section import ComparedSection

RANDOM_SETS = "random_sets"
SMOOTH_MAPS = "smooth_maps"
RANDOM_NETWORKS = "random_networks"
EXCHANGED = "exchanged"
WORDS: Mapping[str, str] = {
    RANDOM_SETS: "random sets of the same size and expression",
    SMOOTH_MAPS: "equally smooth random maps",
    RANDOM_NETWORKS: "networks with random weights",
    EXCHANGED: "the names of the pathways exchanged",
}
"""Kind of chance -> how it is drawn."""
Part = Callable[[ComparedSection], Float[np.ndarray, "*draws P"]]
"""Takes an array from a section; its last axis is that of pathways."""


@final
@dataclass(frozen=True, eq=False)
class PatientAgreement:
    """A number of each pathway, over patients, with the same by several kinds of chance."""

    name: str
    meaning: str
    by_patient: Mapping[str, Float[np.ndarray, " P"]]
    by_chance: Mapping[str, Float[np.ndarray, "draws P"]]
    """Kind of chance -> means over patients."""

    @classmethod
    def of(
        cls,
        sections: Sequence[ComparedSection],
        name: str,
        meaning: str,
        value: Part,
        chance: Mapping[str, Part],
    ) -> "PatientAgreement":
        """Collect the number of these sections."""
        return cls(
            name,
            meaning,
            _by_patient(sections, value),
            {
                kind: mean_defined(np.stack(list(_by_patient(sections, part).values())))
                for kind, part in chance.items()
            },
        )

    def of_columns(self, columns: slice) -> "PatientAgreement":
        """The same of these pathways alone."""
        return PatientAgreement(
            self.name,
            self.meaning,
            {name: of[columns] for name, of in self.by_patient.items()},
            {kind: drawn[:, columns] for kind, drawn in self.by_chance.items()},
        )

    @property
    def of_pathways(self) -> Float[np.ndarray, " P"]:
        """Mean over patients."""
        return mean_defined(np.stack(list(self.by_patient.values())))

    def ranges(self, kind: str) -> Float[np.ndarray, "2 P"]:
        """Middle 95 % of one kind of chance for each pathway; NaN where a draw is undefined."""
        drawn = self.by_chance[kind]
        known = np.isfinite(drawn).all(axis=0)
        limits = np.percentile(np.where(known, drawn, 0.0), [2.5, 97.5], axis=0)
        return np.where(known, limits, np.nan)

    def numbers(self) -> tuple[Number, list[Number]]:
        """Mean over pathways; by chance the widest range of all kinds, then each kind."""
        of_each = self.of_pathways
        over = "pathways, of the means of the patients" if len(of_each) > 1 else "patients"
        of_kinds = [
            Number.of_draws(
                f"{self.name}_{kind}", _over_pathways(drawn), f"{self.meaning}, {WORDS[kind]}"
            )
            for kind, drawn in self.by_chance.items()
        ]
        value = Number(self.name, defined_mean(of_each), f"{self.meaning}; mean over {over}")
        return value, [self._widest(of_kinds), *of_kinds]

    def _widest(self, of_kinds: Sequence[Number]) -> Number:
        lows = [number.low for number in of_kinds if number.low is not None]
        highs = [number.high for number in of_kinds if number.high is not None]
        kinds = "; ".join(WORDS[kind] for kind in self.by_chance)
        words = f"{self.meaning}; the widest range of: {kinds}"
        if len(lows) < len(of_kinds):
            return Number(self.name, float("nan"), words)
        return Number(self.name, of_kinds[0].value, words, min(lows), max(highs))


def mean_defined(values: Float[np.ndarray, "n *rest"]) -> Float[np.ndarray, "*rest"]:
    """Mean over the first axis of what is defined; NaN where nothing is."""
    known = np.isfinite(values)
    n_known = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def means_of_patients(
    values: Sequence[Float[np.ndarray, "*draws P"]], patients: Sequence[str]
) -> dict[str, Float[np.ndarray, "*draws P"]]:
    """Mean over the sections of each patient; patients in the order of their names."""
    pairs = [*zip(patients, values, strict=True)]
    return {
        name: mean_defined(np.stack([of for patient, of in pairs if patient == name]))
        for name in sorted(set(patients))
    }


def _by_patient(
    sections: Sequence[ComparedSection], part: Part
) -> dict[str, Float[np.ndarray, "*draws P"]]:
    return means_of_patients([part(of) for of in sections], [of.patient for of in sections])


def _over_pathways(drawn: Float[np.ndarray, "draws P"]) -> Float[np.ndarray, " draws"]:
    return mean_defined(drawn.T)
