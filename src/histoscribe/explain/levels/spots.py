"""Spots of several sections with what a model says of one gene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.models.base import Estimator
from histoscribe.predictor.forward import Columns
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import Section

_ATTENTION = "attention"
_CLASS_ATTENTION = "class_attention"
"""Evidence of bag models: the weight of each tile in its bag; of TransMIL in layers and heads."""


@final
@dataclass(frozen=True, eq=False)
class LevelSpots:
    """Spots with their predicted value, by patient and section."""

    sections: tuple[Section, ...]
    section: Int[np.ndarray, " N"]
    """Place of its section among the sections."""
    row: Int[np.ndarray, " N"]
    """Its row in the section."""
    patients: tuple[str, ...]
    patient: Int[np.ndarray, " N"]
    """Place of its patient; a section without a patient is a patient of its own."""
    predicted: Float[np.ndarray, " N"]
    """Of a model of bags: its prediction for the tile as a bag of its own."""
    attention: Float[np.ndarray, " N"] | None
    """Relative to equal attention for all tiles of the patient; None without attention."""
    of_patients: Float[np.ndarray, " P"] | None
    """Predicted value of each patient; None of a model of spots or sections."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, kept: Bool[np.ndarray, " N"]) -> "LevelSpots":
        """The spots that are kept, and their patients; all sections stay in the list."""
        patients, patient = np.unique(self.patient[kept], return_inverse=True)
        return replace(
            self,
            section=self.section[kept],
            row=self.row[kept],
            patients=tuple(self.patients[place] for place in patients),
            patient=patient,
            predicted=self.predicted[kept],
            attention=None if self.attention is None else self.attention[kept],
            of_patients=None if self.of_patients is None else self.of_patients[patients],
        )

    def spot_id(self, spot: int) -> str:
        """Id of a spot in its section."""
        return self.sections[self.section[spot]].spots.ids[self.row[spot]]

    def subtype(self, spot: int) -> str:
        """Subtype of its section; empty where none is known."""
        return self.sections[self.section[spot]].facts.get("subtype", "")


def patient_of(section: Section) -> str:
    """Name of the patient; a section without one is a patient of its own."""
    return section.patient or f"unknown ({section.id})"


def sections_by_patient(sections: Sequence[Section]) -> dict[str, list[int]]:
    """Places of the sections of each patient, patients sorted."""
    places: dict[str, list[int]] = {}
    for place, section in enumerate(sections):
        places.setdefault(patient_of(section), []).append(place)
    return dict(sorted(places.items()))


def predicted_spots(
    predictor: Predictor,
    sections: tuple[Section, ...],
    gene: int,
    cache: Path,
    *,
    of_bags: bool,
) -> LevelSpots:
    """Predict one gene (its place in the panel) for every spot, and for patients of a bag model.

    The features of one patient are in memory at a time.
    """
    groups = sections_by_patient(sections)
    parts = [
        _Patient(predictor, sections, places, gene, cache, of_bags=of_bags)
        for places in track(list(groups.values()), "patients")
    ]
    attention = [part.attention for part in parts if part.attention is not None]
    n_spots = [len(part.predicted) for part in parts]
    return LevelSpots(
        sections=sections,
        section=np.concatenate([part.section for part in parts]),
        row=np.concatenate([part.row for part in parts]),
        patients=tuple(groups),
        patient=np.repeat(np.arange(len(parts)), n_spots),
        predicted=np.concatenate([part.predicted for part in parts]).astype(np.float64),
        attention=np.concatenate(attention) if len(attention) == len(parts) else None,
        of_patients=np.array([part.value for part in parts]) if of_bags else None,
    )


class _Patient:
    """What a predictor says of the sections of one patient."""

    predicted: Float[np.ndarray, " n"]
    attention: Float[np.ndarray, " n"] | None = None
    value: float = np.nan
    """Of the patient as a bag."""

    def __init__(
        self,
        predictor: Predictor,
        sections: Sequence[Section],
        places: Sequence[int],
        gene: int,
        cache: Path,
        *,
        of_bags: bool,
    ) -> None:
        sizes = [len(sections[place].spots) for place in places]
        self.section = np.repeat(places, sizes)
        self.row = np.concatenate([np.arange(size) for size in sizes])
        queries = [predictor.queries(sections[place], cache) for place in places]
        fitted, device = predictor.fitted, torch.device(choose_device(predictor.device))
        if not of_bags:
            values = [fitted.predict(part, device).values[:, gene] for part in queries]
            self.predicted = np.concatenate(values)
            return
        bag = SpotQueries.concatenate(queries)
        predicted = fitted.predict(bag, device)
        self.predicted = predicted.values[:, gene]
        if isinstance(fitted.model, Estimator):
            mean = bag.feature.mean(axis=0, dtype=np.float64, keepdims=True)
            self.value = float(fitted.predict_means(mean.astype(np.float32))[0, gene])
            return
        self.value = float(fitted.predict_bags(bag).values[0, gene])
        weights = _attention(predicted.evidence, gene)
        if weights is not None:
            self.attention = weights * len(weights) / weights.sum()


def _attention(evidence: Columns, gene: int) -> Float[np.ndarray, " n"] | None:
    """Weight of each tile for a gene; the mean over layers and heads where there are several."""
    if _ATTENTION in evidence:
        weights = evidence[_ATTENTION]
        return weights[:, gene if weights.shape[1] > 1 else 0].astype(np.float64)
    if _CLASS_ATTENTION in evidence:
        return evidence[_CLASS_ATTENTION].mean(axis=1, dtype=np.float64)
    return None
