"""Expression that images predict: from predictors, and from files of predictions."""

import json

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.subtypes.image_expression import image_expression, on_measured_scale
from histoscribe.explain.subtypes.panel import GeneNames
from histoscribe.io.predictions.bulk_file import write_bulk
from histoscribe.types import BulkPrediction, Cohort


def nobody(tmp_path):
    return ExplainRequest(predictors=(), cohort=Cohort([]), cache=tmp_path)


def written(path, patients, genes=("G1", "G2"), trained=()):
    sections = {name: {"patient": name} for name in trained}
    values = np.arange(len(patients) * len(genes), dtype=np.float32).reshape(len(patients), -1)
    prediction = BulkPrediction(
        patients=patients,
        genes=genes,
        values=values,
        unit="cp10k-log1p of bulk counts",
        predictor="ridge@0",
        gene_names=tuple(f"name of {gene}" for gene in genes),
        card=json.dumps({"sections": sections}) if trained else "",
    )
    write_bulk(prediction, path)
    return path


def test_folds_are_joined_and_patients_of_the_training_are_left_out(tmp_path):
    first = written(tmp_path / "1.h5ad", ("A", "B", "C"), trained=("C",))
    second = written(tmp_path / "2.h5ad", ("D",), genes=("G2", "G1", "G3"))
    images = image_expression(nobody(tmp_path), (first, second))
    assert images.patients == ("A", "B", "D")
    assert images.ids == ("G1", "G2")
    genes = GeneNames(("G2", "other", "id"), ("G2", "other", "name of G1"))
    values = images.of(("D", "B"), genes)
    np.testing.assert_array_equal(values, [[0, np.nan, 1], [3, np.nan, 2]])
    assert any("1 patients that the model was trained on" in note for note in images.notes)
    assert any("do not say on whom" in note for note in images.notes)


def test_a_patient_in_two_files_is_told(tmp_path):
    files = tuple(written(tmp_path / f"{n}.h5ad", ("A", "B")) for n in range(2))
    with pytest.raises(DataContractError, match="2 patients in two files: A, B"):
        image_expression(nobody(tmp_path), files)


def test_predicted_genes_get_the_measured_scale_of_training_patients():
    rng = np.random.default_rng(0)
    measured, predicted = 5 + 2 * rng.standard_normal((9, 3)), rng.standard_normal((9, 3))
    predicted[:, 2] = 1.0
    train = np.arange(6)
    scaled = on_measured_scale(predicted, measured, train)
    np.testing.assert_allclose(scaled[train].mean(axis=0), measured[train].mean(axis=0))
    np.testing.assert_allclose(scaled[train, :2].std(axis=0), measured[train, :2].std(axis=0))
    changed = measured.copy()
    changed[6:] += 100
    np.testing.assert_array_equal(on_measured_scale(predicted, changed, train), scaled)


def test_a_predictor_of_spots_predicts_the_patients_it_does_not_know(explained):
    images = image_expression(explained.request(), ())
    assert images.patients == ("P3",)
    assert images.values.shape == (1, explained.n_genes)
    assert np.isfinite(images.values).all()
    assert images.notes == (f"left out, 2 patients on whom {explained.predictor.name} was trained",)
    with pytest.raises(DataContractError, match="was trained on every patient"):
        image_expression(explained.request(sections=["P1S1"]), ())
    with pytest.raises(DataContractError, match="a predictor and files"):
        image_expression(explained.request(), (explained.folder / "table.csv",))
