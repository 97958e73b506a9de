"""Predictions of slides with damaged tiles, padding, several images and wrong um/px."""

import json

import anndata as ad
import numpy as np
import pytest
import tifffile
from PIL import Image

import histoscribe as hs
from histoscribe.errors import DataContractError
from tests.predict.conftest import MPP, SPACING_UM, draw_slide, predictor_folder

__all__ = ["predictor_folder"]
CM = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER", "metadata": None}
OPTIONS = ("--spacing-um", SPACING_UM)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    drawn = draw_slide(tmp_path_factory.mktemp("drawn") / "slide.png")
    return np.asarray(Image.open(drawn))


def write(path, pixels, hurt=()):
    """A tiled JPEG slide in which these tiles end in zeros."""
    options = {"photometric": "rgb", "tile": (64, 64), "compression": "jpeg"} | CM
    tifffile.imwrite(path, pixels, **options)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        places = [(page.dataoffsets[tile], page.databytecounts[tile]) for tile in hurt]
    with path.open("r+b") as file:
        for start, n_bytes in places:
            file.seek(start + n_bytes // 2)
            file.write(bytes(n_bytes - n_bytes // 2))
    return path


def places(path):
    data = ad.read_h5ad(path)
    return {name: row for name, row in zip(data.obs_names, data.X, strict=True)}


def test_places_on_a_damaged_tile_are_left_out_and_the_others_are_as_they_were(
    histoscribe, predictor_folder, pixels, tmp_path
):
    write(tmp_path / "sound.tif", pixels)
    write(tmp_path / "hurt.tif", pixels, hurt=(5 * 15 + 7,))
    for name in ("sound", "hurt"):
        slide = tmp_path / f"{name}.tif"
        done = histoscribe("predict", predictor_folder, slide, "--out", tmp_path / "out", *OPTIONS)
        assert done.code == 0
    assert "x 448 to 512, y 320 to 384 px" in done.out
    sound, hurt = (places(tmp_path / "out" / f"{name}.h5ad") for name in ("sound", "hurt"))
    summary = json.loads((tmp_path / "out" / "hurt.json").read_text())
    assert set(hurt) < set(sound)
    assert summary["places_left_out"] == len(sound) - len(hurt)
    assert len(summary["damaged_tiles"]) == 1
    for name, values in hurt.items():
        np.testing.assert_allclose(values, sound[name], atol=1e-5)


def test_a_damaged_slide_stops_where_that_is_asked_for(predictor_folder, pixels, tmp_path):
    path = write(tmp_path / "hurt.tif", pixels, hurt=(82,))
    with pytest.raises(DataContractError, match="x 448 to 512, y 320 to 384 px"):
        hs.predict_slide(predictor_folder, path, spacing_um=SPACING_UM, damaged_tiles="stop")


def test_a_slide_of_damaged_tiles_alone_is_refused(predictor_folder, pixels, tmp_path):
    path = write(tmp_path / "hurt.tif", pixels, hurt=range(15 * 11))
    with pytest.raises(DataContractError, match="Damaged tiles of the slide: 165"):
        hs.predict_slide(predictor_folder, path, spacing_um=SPACING_UM)


def test_an_image_is_chosen_and_a_um_per_px_is_overruled_by_options(
    histoscribe, predictor_folder, pixels, tmp_path
):
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as file:
        for picture in (pixels[:600], pixels):
            file.write(picture, photometric="rgb", tile=(64, 64), **CM | {"resolutionunit": "INCH"})
    both = ("--image-number", 1, "--mpp", MPP, "--mpp-from", "user", *OPTIONS)
    refused = histoscribe("predict", predictor_folder, path, "--out", tmp_path / "a", *OPTIONS)
    assert "--mpp-from user" in refused.err
    done = histoscribe("predict", predictor_folder, path, "--out", tmp_path / "a", *both)
    assert done.code == 0
    assert "Image 1, as asked for" in done.out
    assert json.loads((tmp_path / "a" / "two.json").read_text())["mpp"] == MPP
