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
from histoscribe.io.predictions.bulk_file import FILE, write_bulk
from histoscribe.predict.slide import TISSUE
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import BulkPrediction

_INVERTIBLE = "cp10k-log1p"


@dataclass(frozen=True)
class PatientsDone:
    """File with the predicted patients, and their number."""

    path: Path
    n_patients: int


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


def write_patients(
    predictor: Predictor, slides: Mapping[str, Sequence[str]], folder: Path
) -> PatientsDone:
    """Write `bulk.h5ad` from the files of the slides; `slides` has the names of each patient's."""
    target, patients = predictor.target, tuple(sorted(slides))
    values = np.stack([_patient(target, folder, slides[patient]) for patient in patients])
    prediction = BulkPrediction(
        patients=patients,
        genes=target.genes,
        values=values.astype(np.float32),
        unit=f"{target.transform} back on its linear scale, mean over tissue",
        predictor=predictor.name,
        gene_names=predictor.gene_names,
        card=json.dumps(predictor.card.to_json(), sort_keys=True),
    )
    write_bulk(prediction, folder / FILE)
    return PatientsDone(folder / FILE, len(patients))


def _patient(target: Target, folder: Path, slides: Sequence[str]) -> Float[np.ndarray, " G"]:
    """Mean over the tissue of all slides of a patient."""
    total, tissue = np.zeros(len(target.genes)), 0.0
    for slide in sorted(slides):
        for values, share in read_values(folder / f"{slide}.h5ad", TISSUE):
            # a model may predict less than nothing, which no tissue holds
            total += share @ np.maximum(_linear(values, target), 0.0)
            tissue += float(share.sum())
    return total / tissue


def _linear(values: Float[np.ndarray, "n G"], target: Target) -> Float[np.ndarray, "n G"]:
    linear = linear_values(values, target)
    if linear is None:
        raise ValueError(f"{target.transform} has no inverse")
    return linear
