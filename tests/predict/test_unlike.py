"""Tissue unlike the training is masked where it lies; the rest of the slide keeps its bits."""

import json
import warnings

import anndata as ad
import numpy as np
import pytest
from PIL import Image

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.saving import load_predictor
from tests.predict.conftest import draw_slide

MPP = 1.0  # um/px of the simulated pictures at half their size
SPACING_UM = 60.0


@pytest.fixture(scope="module")
def planted(predictor_folder, tmp_path_factory):
    """A training picture with a square of green noise in its tissue, and the square's corners."""
    with Image.open(predictor_folder.parent / "cohort" / "P1S1.jpg") as image:
        pixels = np.asarray(image.convert("RGB")).copy()
    height, width = pixels.shape[:2]
    top, left, side = height // 3, width // 3, width // 4
    noise = np.random.default_rng(0).integers(0, 120, (side, side, 1), dtype=np.uint8)
    pixels[top : top + side, left : left + side] = noise + np.array([0, 130, 20], dtype=np.uint8)
    path = tmp_path_factory.mktemp("planted") / "planted.png"
    Image.fromarray(pixels).save(path)
    return path, (left, top, left + side, top + side)


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a training picture
        return hs.predict_slide(*args, spacing_um=SPACING_UM, mpp=0.5, **options)


def test_planted_tissue_is_masked_and_all_trusted_places_keep_their_bits(predictor_folder, planted):
    path, (left, top, right, bottom) = planted
    masked, kept = (quietly(predictor_folder, path, keep_unlike=keep) for keep in (False, True))
    x, y = kept.spots.xy.T
    tile = 64  # half a tile of 64 um at 0.5 um/px
    inside = (x > left + tile) & (x < right - tile) & (y > top + tile) & (y < bottom - tile)
    apart = (x < left - tile) | (x > right + tile) | (y < top - tile) | (y > bottom + tile)
    trusted = masked.head.spot_facts["trusted"] == 1
    assert inside.sum() >= 4
    assert not trusted[inside].any()
    assert np.isnan(masked.values[inside]).all()
    assert trusted[apart].mean() > 0.8
    assert masked.values[trusted].tobytes() == kept.values[trusted].tobytes()
    assert np.isfinite(kept.values).all()
    value_range = load_predictor(predictor_folder).value_range
    assert (kept.values >= value_range.low).all()
    assert (kept.values <= value_range.high).all()


def order(folder, out, *targets, **options):
    return Order(predictor=folder, targets=tuple(map(str, targets)), out=out, **options)


def test_every_file_of_a_slide_says_which_places_are_trusted(predictor_folder, planted, tmp_path):
    slide = {"spacing_um": SPACING_UM, "mpp": 0.5}
    ((_, done),) = predict(order(predictor_folder, tmp_path / "out", planted[0], **slide))
    data = ad.read_h5ad(tmp_path / "out" / "planted.h5ad")
    trusted = data.obs["trusted"]
    assert trusted.dtype == bool
    assert 0 < (~trusted).sum() < trusted.sum()
    assert (np.isfinite(data.X).all(axis=1) == trusted).all()
    features = json.loads((tmp_path / "out" / "planted.geojson").read_text())["features"]
    measured = [feature["properties"]["measurements"] for feature in features]
    assert [bool(of["trusted"]) for of in measured] == list(trusted)
    for of in measured:
        beside = {"distance_to_training", "trusted"}
        assert bool(of.keys() - beside) == bool(of["trusted"]), "masked genes are left out"
    summary = json.loads((tmp_path / "out" / "planted.json").read_text())
    assert summary["beyond_training"]["n_beyond"] == (~trusted).sum() == done.beyond.n_beyond
    assert summary["genes_trusted"] is True
    ((_, again),) = predict(order(predictor_folder, tmp_path / "out", planted[0], **slide))
    assert (again.beyond, again.detections) == (done.beyond, done.detections)
    other = order(predictor_folder, tmp_path / "out", planted[0], keep_unlike=True, **slide)
    with pytest.raises(DataContractError, match="a run with other settings"):
        list(predict(other))


def test_a_slide_that_is_mostly_unlike_offers_no_gene(predictor_folder, tmp_path):
    slide = draw_slide(tmp_path / "slide.png")
    options = {"mpp": MPP, "spacing_um": SPACING_UM}
    ((_, done),) = predict(order(predictor_folder, tmp_path / "out", slide, **options))
    assert done.beyond.share > 0.5
    assert done.detections.genes == ()
    summary = json.loads((tmp_path / "out" / "slide.json").read_text())
    assert summary["genes_trusted"] is False
    assert summary["detections"]["genes"] == []
    assert any("No gene is offered as trusted" in warning for warning in summary["warnings"])


def test_a_section_of_a_cohort_is_masked_like_a_slide(predictor_folder, planted, tmp_path):
    cohort = hs.read_cohort(predictor_folder.parent / "cohort" / "cohort.csv")
    predictor = load_predictor(predictor_folder)
    section = cohort["P1S1"]
    masked, kept = (
        predictor(section, tmp_path / "cache", keep_unlike=keep) for keep in (False, True)
    )
    (done,) = predict(
        order(
            predictor_folder,
            tmp_path / "out",
            predictor_folder.parent / "cohort" / "cohort.csv",
            sections=("P1S1",),
        )
    )
    written = read_prediction(done.path)
    np.testing.assert_array_equal(written.values, masked.values)
    trusted = masked.head.spot_facts["trusted"] == 1
    assert done.beyond.n_trusted == trusted.sum()
    assert masked.values[trusted].tobytes() == kept.values[trusted].tobytes()
    scores = hs.score_section(kept, section, predictor)
    assert np.isfinite(scores["pcc"]).any()
