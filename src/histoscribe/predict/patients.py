"""Predict patients from the predictions of their slides, as the EGN paper proposes for bulk data.

The predicted values of all places are brought back to the linear scale, and averaged over the
tissue of all slides of the patient: each place counts by the share of tissue in its square.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.data.bulk_target import linear_values
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.anndata import read_values
from histoscribe.predict.patient_trust import patient_facts
from histoscribe.predict.slide import TISSUE
from histoscribe.predictor.limits import is_beyond, is_trusted
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import DISTANCE, TRUSTED, BulkPrediction

_INVERTIBLE = "cp10k-log1p"


@dataclass(frozen=True)
class PatientsDone:
    """File with the predicted patients, their number, and warnings about their tissue."""

    path: Path
    n_patients: int
    warnings: tuple[str, ...] = ()


def check_patients(predictor: Predictor) -> None:
    """Raise a DataContractError unless values of its places can be averaged over tissue."""
    target = predictor.target
    if linear_values(np.zeros((1, len(target.genes))), target) is None:
        raise DataContractError(
            Problem(
                where=f"--per patient, predictor {predictor.name}",
                found=f"values in {target.transform}, which cannot be brought back to counts",
                expected="a target on a scale with a way back, because means are of counts",
                remedy=f"train it with --set target.transform={_INVERTIBLE}",
            )
        )


def patients_of_slides(
    predictor: Predictor,
    slides: Mapping[str, Sequence[str]],
    folder: Path,
    *,
    keep_unlike: bool,
) -> BulkPrediction:
    """Predict patients from the files of their slides; `slides` has the names of each patient's.

    Masked places are left out. A patient whose tissue is not mostly trusted is NaN, unless
    `keep_unlike`: the rest may not stand for the patient.
    """
    target, patients = predictor.target, tuple(sorted(slides))
    parts = [_Tissue(target, folder, slides[patient]) for patient in patients]
    facts = patient_facts([part.beyond for part in parts], [part.trusted for part in parts])
    values = np.stack([part.mean for part in parts])
    if not keep_unlike:
        values[facts[TRUSTED] == 0] = np.nan
    return BulkPrediction(
        patients=patients,
        genes=target.genes,
        values=values.astype(np.float32),
        unit=f"{target.transform} back on its linear scale, mean over tissue",
        predictor=predictor.name,
        gene_names=predictor.gene_names,
        card=json.dumps(predictor.card.to_json(), sort_keys=True),
        patient_facts=facts,
    )


class _Tissue:
    """Mean over the tissue of a patient's slides, and its trusted share."""

    mean: Float[np.ndarray, " G"]
    """Over places with values; NaN without any."""
    beyond: float
    """Share of the tissue beyond the training; NaN where no distance is known."""
    trusted: float

    def __init__(self, target: Target, folder: Path, slides: Sequence[str]) -> None:
        total = np.zeros(len(target.genes))
        tissue = given = beyond = trusted = 0.0
        for slide in sorted(slides):
            for values, facts in read_values(folder / f"{slide}.h5ad", (TISSUE, DISTANCE)):
                share, distance = facts[TISSUE], facts[DISTANCE]
                known = np.isfinite(values).all(axis=1)
                # a model may predict less than nothing, which no tissue holds
                total += share[known] @ np.maximum(_linear(values[known], target), 0.0)
                given += float(share[known].sum())
                tissue += float(share.sum())
                beyond += float(share[is_beyond(distance)].sum())
                trusted += float(share[is_trusted(distance)].sum())
        self.mean = total / given if given else np.full_like(total, np.nan)
        self.beyond = beyond / tissue if beyond + trusted else np.nan
        self.trusted = trusted / tissue


def _linear(values: Float[np.ndarray, "n G"], target: Target) -> Float[np.ndarray, "n G"]:
    linear = linear_values(values, target)
    if linear is None:
        raise ValueError(f"{target.transform} has no inverse")
    return linear
