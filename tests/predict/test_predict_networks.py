"""A network that looks at tiles and at exemplars predicts slides as it predicts spots."""

import warnings

import numpy as np
import pytest
import torch

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.run import train
from histoscribe.types import Section
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM


@pytest.fixture(scope="module")
def egn_folder(tmp_path_factory):
    """A tiny EGN; 12 genes, 4 exemplars."""
    folder = tmp_path_factory.mktemp("network")
    settings = tiny_settings(
        tiny_cohort(folder / "cohort", n_patients=2),
        models=["egn"],
        settings={"egn": {"preset": "tiny"}},
        exemplars={"n": 4},
        train={"epochs": 2, "batch_size": 16},
    )
    train(settings=settings, out=folder / "egn", cache=folder / "cache")
    return folder / "egn"


def quietly(folder, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        return hs.predict_slide(folder, path, spacing_um=SPACING_UM, mpp=MPP, keep_unlike=True)


def test_places_of_a_slide_are_predicted_like_spots_and_keep_their_exemplars(
    egn_folder, slide_file, tmp_path
):
    found = quietly(egn_folder, slide_file)
    predictor = load_predictor(egn_folder)
    slide = open_whole_slide(slide_file, MPP)
    section = Section("slide", None, slide, found.spots, None)
    same = predictor(section, tmp_path / "cache", keep_unlike=True)
    np.testing.assert_allclose(found.values, same.values, atol=1e-4)
    assert set(found.head.evidence) == {"exemplar_row", "exemplar_distance"}
    assert found.head.evidence["exemplar_row"].shape == (len(found.spots), 4)
    np.testing.assert_allclose(
        found.head.evidence["exemplar_distance"], same.head.evidence["exemplar_distance"], atol=1e-4
    )
    pool = predictor.fitted.lookup.pool
    assert found.head.evidence["exemplar_row"].max() < len(pool)


def test_the_file_of_a_slide_holds_what_memory_does(egn_folder, slide_file, tmp_path):
    order = Order(
        predictor=egn_folder,
        targets=(str(slide_file),),
        out=tmp_path / "out",
        spacing_um=SPACING_UM,
        mpp=MPP,
        keep_unlike=True,
    )
    assert len(list(predict(order))) == 1
    written = read_prediction(tmp_path / "out" / "slide.h5ad")
    held = quietly(egn_folder, slide_file)
    np.testing.assert_array_equal(written.values, held.values)
    for name, values in held.head.evidence.items():
        np.testing.assert_array_equal(written.head.evidence[name], values)


def test_threads_change_no_bit(egn_folder, slide_file):
    alone = quietly(egn_folder, slide_file)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = quietly(egn_folder, slide_file)
    finally:
        torch.set_num_threads(n_threads)
    assert together.values.tobytes() == alone.values.tobytes()


def test_a_model_of_counts_gives_each_place_its_deviation_and_additional_zeros(
    slide_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("histoscribe.io.predictions.prediction_store.CHUNK_ROWS", 32)
    settings = tiny_settings(
        tiny_cohort(tmp_path / "cohort", n_patients=2),
        models=["mlp"],
        target={"n_genes": 12, "transform": "cp10k"},
        train={"epochs": 1, "loss": "zinb"},
    )
    train(settings=settings, out=tmp_path / "mlp", cache=tmp_path / "cache")
    order = Order(
        predictor=tmp_path / "mlp",
        targets=(str(slide_file),),
        out=tmp_path / "out",
        spacing_um=SPACING_UM,
        mpp=MPP,
        keep_unlike=True,
    )
    assert len(list(predict(order))) == 1
    written = read_prediction(tmp_path / "out" / "slide.h5ad")
    held = quietly(tmp_path / "mlp", slide_file)
    assert list(written.layers) == ["deviation", "zero_inflation"] == list(held.layers)
    section = Section("slide", None, open_whole_slide(slide_file, MPP), held.spots, None)
    spots = load_predictor(tmp_path / "mlp")(section, tmp_path / "cache", keep_unlike=True)
    for name, values in held.layers.items():
        assert values.min() > 0
        np.testing.assert_allclose(written.layers[name], values, rtol=1e-5)
        np.testing.assert_allclose(spots.layers[name], values, rtol=1e-3)


def test_a_model_of_pixels_is_no_model_of_features_for_lazyslide(egn_folder):
    with pytest.raises(DataContractError, match="a model that reads pixels"):
        hs.to_lazyslide(egn_folder)
