"""Predictions go to AnnData and back unchanged."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction, to_anndata, write_prediction
from histoscribe.types import Prediction, Spots


@pytest.fixture
def prediction() -> Prediction:
    spots = Spots(("10x3", "11x3"), np.array([[5.5, 6.0], [7.0, 8.25]]), 100.0, 200.0)
    values = np.array([[1.5, -2.0, 0.0], [0.25, 3.0, 1.0]], dtype=np.float32)
    return Prediction("B4", spots, ("GAPDH", "ERBB2", "ACTB"), values, "log", "ridge-1a2b")


def test_a_prediction_comes_back_as_it_was(prediction: Prediction, tmp_path: Path) -> None:
    write_prediction(prediction, tmp_path / "new" / "B4.h5ad")
    back = read_prediction(tmp_path / "new" / "B4.h5ad")
    np.testing.assert_array_equal(back.values, prediction.values)
    np.testing.assert_array_equal(back.spots.xy, prediction.spots.xy)
    for name in ("section", "genes", "unit", "predictor"):
        assert getattr(back, name) == getattr(prediction, name)
    assert (back.spots.ids, back.spots.diameter_um, back.spots.pitch_um) == (
        prediction.spots.ids,
        100.0,
        200.0,
    )


def test_equal_predictions_are_equal_files(prediction: Prediction, tmp_path: Path) -> None:
    for name in ("a.h5ad", "b.h5ad"):
        write_prediction(prediction, tmp_path / name)
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()


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
