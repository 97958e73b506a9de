"""A network trained on counts predicts them with their spread, in memory and in files."""

import json
import warnings

import numpy as np
import pytest

import histoscribe as hs
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.run import train
from histoscribe.types import Section
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny network of counts; 12 genes."""
    folder = tmp_path_factory.mktemp("counts")
    settings = tiny_settings(
        tiny_cohort(folder / "cohort", n_patients=2),
        models=["mlp"],
        settings={"mlp": {"preset": "tiny"}},
        target={"n_genes": 12, "transform": "cp10k"},
        train={"epochs": 3, "batch_size": 16, "loss": "zinb"},
    )
    return train(settings=settings, out=folder / "mlp", cache=folder / "cache")


def quietly(predictor, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        return hs.predict_slide(predictor, path, spacing_um=SPACING_UM, mpp=MPP, **options)


def test_its_folder_says_the_family_and_loads_to_the_bit(trained, slide_file):
    record = json.loads((trained.folder / "predictor.json").read_text("utf-8"))
    assert record["shapes"]["counts"] == "zinb"
    card = (trained.folder / "MODEL_CARD.md").read_text("utf-8")
    assert "Unit: counts per 10,000 counts of the spot." in card
    assert "in the layer `deviation`" in card
    found, again = quietly(trained, slide_file), quietly(trained.folder, slide_file)
    assert found.values.tobytes() == again.values.tobytes()
    assert list(found.layers) == ["deviation", "zero_inflation"]
    for name, values in found.layers.items():
        assert values.tobytes() == again.layers[name].tobytes()


def test_files_of_a_slide_hold_the_spread_of_its_counts(trained, slide_file, tmp_path):
    order = Order(
        predictor=trained.folder,
        targets=(str(slide_file),),
        out=tmp_path / "out",
        spacing_um=SPACING_UM,
        mpp=MPP,
    )
    assert len(list(predict(order))) == 1
    written, held = read_prediction(tmp_path / "out" / "slide.h5ad"), quietly(trained, slide_file)
    np.testing.assert_array_equal(written.values, held.values)
    for name, values in held.layers.items():
        np.testing.assert_array_equal(written.layers[name], values)
    np.testing.assert_array_equal(
        written.head.spot_facts["distance_to_training"],
        held.head.spot_facts["distance_to_training"],
    )


def test_a_section_and_a_slide_get_the_same_counts_per_ten_thousand(trained, slide_file, tmp_path):
    found = quietly(trained, slide_file, keep_unlike=True)
    slide = open_whole_slide(slide_file, MPP)
    same = load_predictor(trained.folder)(
        Section("slide", None, slide, found.spots, None), tmp_path / "cache", keep_unlike=True
    )
    np.testing.assert_allclose(found.values, same.values, rtol=1e-4)
    np.testing.assert_allclose(found.deviation, same.deviation, rtol=1e-4)
    assert found.head.unit == "cp10k"
    assert (found.values > 0).all()
    # counting alone gives a variance of the mean
    assert (np.square(found.deviation) >= 0.999 * found.values).all()
    low, high = hs.prediction_interval(found, total=10_000, level=0.9)
    assert ((low <= found.values + 1) & (found.values <= high + 1)).all()
    shallow = hs.prediction_interval(found, total=100)[1]
    assert (shallow <= high).all()
