"""Predictions go to AnnData and back unchanged."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction, to_anndata, write_prediction
from histoscribe.types import Head, Prediction, Spots


@pytest.fixture
def prediction() -> Prediction:
    spots = Spots(("10x3", "11x3"), np.array([[5.5, 6.0], [7.0, 8.25]]), 100.0, 200.0)
    values = np.array([[1.5, -2.0, 0.0], [0.25, 3.0, 1.0]], dtype=np.float32)
    genes = ("GAPDH", "ERBB2", "ACTB")
    return Prediction(
        Head(section="B4", spots=spots, genes=genes, unit="log", predictor="ridge-1a2b"), values
    )


def test_a_prediction_comes_back_as_it_was(prediction: Prediction, tmp_path: Path) -> None:
    write_prediction(prediction, tmp_path / "new" / "B4.h5ad")
    back = read_prediction(tmp_path / "new" / "B4.h5ad")
    np.testing.assert_array_equal(back.values, prediction.values)
    np.testing.assert_array_equal(back.spots.xy, prediction.spots.xy)
    for name in ("section", "genes", "unit", "predictor"):
        assert getattr(back.head, name) == getattr(prediction.head, name)
    assert (back.spots.ids, back.spots.diameter_um, back.spots.pitch_um) == (
        prediction.spots.ids,
        100.0,
        200.0,
    )


def test_all_of_a_head_comes_back(prediction: Prediction, tmp_path: Path) -> None:
    head = replace(
        prediction.head,
        gene_names=("one", "two", "two"),
        gene_facts={"pcc": np.array([0.5, np.nan, -0.25])},
        spot_facts={"tissue_share": np.array([1.0, 0.75])},
        evidence={"exemplar_row": np.array([[3.0, 1.0], [0.0, 2.0]]), "pathways": np.ones((2, 1))},
        evidence_names={"pathways": ("HALLMARK_HYPOXIA",)},
        card='{"model": "ridge"}',
    )
    write_prediction(Prediction(head, prediction.values), tmp_path / "B4.h5ad")
    back = read_prediction(tmp_path / "B4.h5ad").head
    assert (back.gene_names, back.card) == (head.gene_names, head.card)
    assert back.evidence_names == head.evidence_names
    for name in ("gene_facts", "spot_facts", "evidence"):
        given, found = getattr(head, name), getattr(back, name)
        assert found.keys() == given.keys()
        for key, values in given.items():
            np.testing.assert_array_equal(found[key], values)


def test_layers_of_a_prediction_of_counts_come_back(prediction: Prediction, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).random((2, 2, 3)).astype(np.float32)
    given = replace(prediction, deviation=drawn[0], zero_inflation=drawn[1])
    write_prediction(given, tmp_path / "B4.h5ad")
    back = read_prediction(tmp_path / "B4.h5ad")
    assert list(back.layers) == ["deviation", "zero_inflation"]
    data, made = ad.read_h5ad(tmp_path / "B4.h5ad"), to_anndata(given)
    for name, values in given.layers.items():
        np.testing.assert_array_equal(back.layers[name], values)
        np.testing.assert_array_equal(data.layers[name], values)
        np.testing.assert_array_equal(made.layers[name], values)


def test_a_head_whose_parts_disagree_is_refused(prediction: Prediction) -> None:
    for wrong in (
        {"gene_names": ("one",)},
        {"gene_facts": {"pcc": np.zeros(2)}},
        {"spot_facts": {"tissue_share": np.zeros(3)}},
        {"evidence": {"exemplar_row": np.zeros((3, 2))}},
        {"evidence": {"pathways": np.zeros((2, 3))}, "evidence_names": {"pathways": ("one",)}},
    ):
        with pytest.raises(ValueError, match=r"names|rows"):
            replace(prediction.head, **wrong)
    with pytest.raises(ValueError, match="values for 2 spots, 3 genes"):
        Prediction(prediction.head, prediction.values[:1])


def test_equal_predictions_are_equal_files(prediction: Prediction, tmp_path: Path) -> None:
    for name in ("a.h5ad", "b.h5ad"):
        write_prediction(prediction, tmp_path / name)
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()


def test_names_of_genes_are_written_where_pandas_takes_strings_of_its_own(
    prediction: Prediction, tmp_path: Path
) -> None:
    head = replace(prediction.head, gene_names=("one", "two", "three"))
    named = replace(prediction, head=head)
    with pd.option_context("future.infer_string", True):  # as pandas 3 does by itself
        write_prediction(named, tmp_path / "one.h5ad")
    assert read_prediction(tmp_path / "one.h5ad").head.gene_names == head.gene_names


def test_anndata_holds_centres_and_origin(prediction: Prediction) -> None:
    data = to_anndata(prediction)
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(data.obsm["spatial"], prediction.spots.xy)
    assert data.uns["histoscribe"]["unit"] == "log"
    assert list(data.var_names) == ["GAPDH", "ERBB2", "ACTB"]


def test_another_file_is_no_prediction(tmp_path: Path) -> None:
    (tmp_path / "text.h5ad").write_text("no HDF5")
    ad.AnnData(np.ones((2, 2), dtype=np.float32)).write_h5ad(tmp_path / "other.h5ad")
    for name in ("text.h5ad", "other.h5ad", "missing.h5ad"):
        with pytest.raises(DataContractError, match=name):
            read_prediction(tmp_path / name)
