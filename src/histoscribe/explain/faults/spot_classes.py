"""Held-out spots in classes: by fact of their patient, tissue label, depth and distance."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int

from histoscribe.explain.faults.facts import PatientFacts
from histoscribe.explain.faults.held_out import HeldOutSpots
from histoscribe.io.sections.labels import read_labels
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort

PATIENT, LABEL, DEPTH, DISTANCE_BIN = "patient", "label", "depth", "distance"
TAKEN = (PATIENT, LABEL, DEPTH, DISTANCE_BIN)
"""Names of divisions that no fact can have."""
_THIRDS = ("lowest third", "middle third", "highest third")
_DISTANCES = ("up to 0.5", "0.5 to 1", "beyond 1")
_DISTANCE_EDGES = (0.5, 1.0)
"""In units within which 95 % of training spots have one of another patient."""


@final
@dataclass(frozen=True, eq=False)
class SpotDivision:
    """One division of the held-out spots into classes."""

    name: str
    classes: tuple[str, ...]
    """In the order in which they are listed."""
    code: Int[np.ndarray, " N"]
    """Class of each spot; -1 where it has none."""
    of_patients: bool
    """Whether all spots of a patient are of one class."""
    training: Mapping[str, int] | None
    """Training spots of each class; None where they are unknown."""
    lacks_sections: bool = False
    """Whether training had sections that the cohort lacks: `training` counts the others only."""

    @classmethod
    def of_names(
        cls,
        name: str,
        of_spot: Sequence[str | None],
        training: Mapping[str, int] | None,
        *,
        of_patients: bool,
    ) -> "SpotDivision":
        """Classes by name, sorted."""
        classes = tuple(sorted({one for one in of_spot if one is not None}))
        number = {one: at for at, one in enumerate(classes)}
        code = np.array([-1 if one is None else number[one] for one in of_spot])
        return cls(name, classes, code, of_patients, training)

    @property
    def knows_training(self) -> bool:
        """Whether the shares of the classes in training are known."""
        return self.training is not None and not self.lacks_sections

    def training_share(self, at: int) -> float:
        """Share of a class among the training spots with a class; NaN if unknown."""
        n_spots = 0 if self.training is None else sum(self.training.values())
        if self.training is None or n_spots == 0:
            return float("nan")
        return self.training.get(self.classes[at], 0) / n_spots

    def share(self, at: int) -> float:
        """Share of a class among the held-out spots with a class."""
        return float((self.code == at).sum() / (self.code >= 0).sum())


@final
@dataclass(frozen=True, eq=False)
class TrainingSpots:
    """Spots that the predictor was trained on, as far as the cohort has their sections."""

    predictor: Predictor
    cohort: Cohort

    @property
    def n_of_section(self) -> Mapping[str, int]:
        """Section of the cohort -> its number of training spots."""
        n_spots = self.predictor.card.training_spots
        return {id_: n for id_, n in n_spots.items() if id_ in self.cohort.ids}

    @property
    def missing(self) -> tuple[str, ...]:
        """Training sections that the cohort lacks."""
        n_spots = self.predictor.card.training_spots
        return tuple(id_ for id_ in n_spots if id_ not in self.cohort.ids)

    def of_fact(self, of_patient: Mapping[str, str]) -> Mapping[str, int] | None:
        """Training spots of each class of a fact; None if no training section is known."""
        if not self.n_of_section:
            return None
        spots: Counter[str] = Counter()
        for id_, n_spots in self.n_of_section.items():
            name = of_patient.get(str(self.cohort.patients[id_]))
            if name is not None:
                spots[name] += n_spots
        return spots

    def of_labels(self, labels: Mapping[str, Path]) -> Mapping[str, int] | None:
        """Labelled training spots; None if no training section has labels."""
        tables = {id_: path for id_, path in labels.items() if id_ in self.n_of_section}
        if not tables:
            return None
        return Counter(
            label
            for id_, path in sorted(tables.items())
            for label in read_labels(path, self.cohort[id_].spots)
            if label is not None
        )

    def of_depth(self, bin_of: Callable[[np.ndarray], np.ndarray]) -> Mapping[str, int] | None:
        """Training spots in each bin of depth; None if no training section is known."""
        ids = [id_ for id_ in self.n_of_section if self.cohort[id_].counts is not None]
        if not ids:
            return None
        codes = np.concatenate([bin_of(self.cohort[id_].measured.total) for id_ in ids])
        return {name: int((codes == at).sum()) for at, name in enumerate(_THIRDS)}


def divisions(
    spots: HeldOutSpots,
    facts: PatientFacts,
    compared: Sequence[str],
    labels: Mapping[str, Path],
    training: TrainingSpots,
) -> tuple[SpotDivision, ...]:
    """All divisions of the held-out spots: facts, then what spots have of their own."""
    patient = spots.keys.patient_names
    parts = [
        SpotDivision.of_names(PATIENT, patient.tolist(), None, of_patients=True),
        *(
            SpotDivision.of_names(
                fact,
                [facts.of_patient[fact].get(str(name)) for name in patient],
                training.of_fact(facts.of_patient[fact]),
                of_patients=True,
            )
            for fact in compared
        ),
    ]
    if len(set(spots.label) - {None}) > 1:
        known = training.of_labels(labels)
        parts.append(SpotDivision.of_names(LABEL, spots.label, known, of_patients=False))
    lacks = bool(training.missing)
    return tuple(replace(part, lacks_sections=lacks) for part in (*parts, *_bins(spots, training)))


def _bins(spots: HeldOutSpots, training: TrainingSpots) -> list[SpotDivision]:
    edges = np.quantile(spots.total, [1 / 3, 2 / 3])

    def depth_bin(total: np.ndarray) -> np.ndarray:
        return np.searchsorted(edges, total, side="left")

    parts = []
    if edges[0] < edges[1]:
        parts.append(_binned(DEPTH, _THIRDS, depth_bin(spots.total), training.of_depth(depth_bin)))
    known = np.isfinite(spots.distance)
    if known.any():
        code = np.searchsorted(_DISTANCE_EDGES, spots.distance, side="left")
        parts.append(_binned(DISTANCE_BIN, _DISTANCES, np.where(known, code, -1), None))
    return [part for part in parts if len(part.classes) > 1]


def _binned(
    name: str, bins: Sequence[str], code: np.ndarray, training: Mapping[str, int] | None
) -> SpotDivision:
    """Bins that have spots, in their order."""
    used = [at for at in range(len(bins)) if (code == at).any()]
    number = {at: new for new, at in enumerate(used)}
    known = tuple(bins[at] for at in used)
    codes = np.array([number.get(int(at), -1) for at in code])
    return SpotDivision(name, known, codes, of_patients=False, training=training)
