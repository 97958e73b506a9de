"""LazySlide runs a predictor by its own protocol, and gets the values of histoscribe."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

import histoscribe as hs
from histoscribe.predict.lazyslide import to_lazyslide
from tests.docs.test_examples import ROOT, examples
from tests.predict.conftest import MPP, SPACING_UM, draw_slide


def run_in_batches(model, features, coords, size):
    """Values by name, as LazySlide's runner asks for them: see its `feature_prediction`."""
    spans = [slice(0, None)] if model.whole_slide else []
    spans = spans or [slice(start, start + size) for start in range(0, len(features), size)]
    parts = [
        model.predict(features[rows], coords[rows])
        if model.needs_coords
        else model.predict(features[rows])
        for rows in spans
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def bounds_of(prediction):
    """Corners of the squares of a slide, in px."""
    half = SPACING_UM / MPP / 2
    return np.hstack([prediction.spots.xy - half, prediction.spots.xy + half])


def round_trip(folder, path, **options):
    """A slide as predicted here, and the values of its places by way of LazySlide's protocol."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        here = hs.predict_slide(folder, path, spacing_um=SPACING_UM, mpp=MPP, **options)
    model = to_lazyslide(folder, mpp=MPP, **options)
    bounds = bounds_of(here)
    values = run_in_batches(model, model.features(path, bounds), bounds[:, :2], size=32)
    return here, model, values


@pytest.mark.parametrize("keep_unlike", [False, True])
def test_values_are_those_of_predict_slide(predictor_folder, slide_file, keep_unlike):
    here, model, there = round_trip(predictor_folder, slide_file, keep_unlike=keep_unlike)
    assert (model.needs_coords, model.whole_slide) == (False, False)
    *genes, distance = there
    assert (tuple(genes), distance) == (here.head.gene_names, "distance_to_training")
    np.testing.assert_allclose(
        np.stack([there[gene] for gene in genes], axis=1), here.values, atol=1e-5
    )
    np.testing.assert_allclose(there[distance], here.head.spot_facts[distance], rtol=1e-5)
    assert np.isnan(here.values).any() != keep_unlike


def test_it_has_the_protocol_of_lazyslide(predictor_folder):
    models = pytest.importorskip("lazyslide_models")
    model = to_lazyslide(predictor_folder)
    assert isinstance(model, models.FeaturePredictionModelProtocol)
    assert not isinstance(model, models.ImageModelProtocol)
    assert model.name.startswith("ridge_")
    assert model.to("cpu") is model


SCRIPT = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
names = {}
exec(sys.stdin.read(), names)
maps, tiles = names["maps"], names["tiles"]
genes = np.array(maps.var_names, dtype=str)
np.savez("values.npz", values=np.asarray(maps.X), names=genes, tiles=tiles)
"""


@pytest.mark.slow
def test_the_how_to_runs_in_lazyslide(predictor_folder, tmp_path):
    pytest.importorskip("lazyslide")
    with Image.open(draw_slide(tmp_path / "drawn.png", radius=300)) as image:
        resolution = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER"}
        pixels = np.asarray(image)
    tifffile.imwrite(tmp_path / "biopsy.svs", pixels, tile=(256, 256), **resolution)
    (tmp_path / "ridge").symlink_to(predictor_folder)
    page = examples(ROOT / "docs" / "howto" / "new-slide.md")
    (block,) = (example.text for example in page if "lazyslide" in example.text)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=block.replace("256, mpp=0.5", "60, mpp=1.0").replace(
            '"ridge", ', '"ridge", keep_unlike=True, '
        ),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ,
    )
    assert run.returncode == 0, run.stderr
    there = np.load(tmp_path / "values.npz")
    model = to_lazyslide(predictor_folder, mpp=MPP, keep_unlike=True)
    here = model.predict(model.features(tmp_path / "biopsy.svs", there["tiles"]))
    assert list(there["names"]) == list(here)
    assert len(there["tiles"]) > 20
    np.testing.assert_allclose(there["values"], np.stack([*here.values()], axis=1), atol=1e-5)
