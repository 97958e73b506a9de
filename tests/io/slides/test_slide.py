"""Slides: area-true reading, white outside, one hash for a flat and a tiled copy."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.slides import flat
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.slide import FlatSlide, TiledSlide, image_mpp, open_slide
from histoscribe.io.slides.tile_cache import stamp

RGB = np.random.default_rng(0).integers(0, 256, (150, 203, 3), dtype=np.uint8)


@pytest.fixture(params=["png", "tif", "tiled.tif", "jp2-tiled.tif"])
def slide(request, tmp_path: Path):
    """The same pixels as a flat and as a tiled file, at 0.5 um/px."""
    path = tmp_path / f"slide.{request.param}"
    if request.param == "png":
        Image.fromarray(RGB).save(path)
    elif request.param == "tif":
        tifffile.imwrite(path, RGB, photometric="rgb")
    elif request.param == "tiled.tif":
        tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 48), compression="deflate")
    else:
        tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64), compression="jpeg2000")
    return open_slide(path, mpp=0.5)


def test_a_native_tile_is_a_plain_crop(slide):
    np.testing.assert_array_equal(slide.read((50.0, 60.0), 20, 0.5), RGB[50:70, 40:60])
    # 0.504 um/px is within 1 % of native, and the corner is rounded
    np.testing.assert_array_equal(slide.read((50.4, 59.6), 20, 0.504), RGB[50:70, 40:60])


def test_a_tile_at_twice_the_um_per_px_is_the_mean_of_four(slide):
    expected = RGB[20:60, 30:70].reshape(20, 2, 20, 2, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(slide.read((50.0, 40.0), 20, 1.0), np.rint(expected))


def test_at_a_fractional_scale_pixels_count_by_covered_area(slide):
    """At a scale of 1.5 two output pixels share every third source pixel half and half."""
    tile = slide.read((1.5, 1.5), 2, 0.75)
    weight = np.array([[1, 0.5, 0], [0, 0.5, 1]]) / 1.5
    expected = np.einsum("ai,bj,ijc->abc", weight, weight, RGB[:3, :3].astype(float))
    np.testing.assert_array_equal(tile, np.rint(expected))


def test_outside_the_image_is_white(slide):
    tile = slide.read((0.0, 0.0), 10, 0.5)
    assert (tile[:5] == 255).all()
    assert (tile[:, :5] == 255).all()
    np.testing.assert_array_equal(tile[5:, 5:], RGB[:5, :5])
    assert (slide.read((900.0, -400.0), 10, 1.7) == 255).all()


def test_a_tile_half_outside_mixes_white_by_area(slide):
    tile = slide.read((203.0, 75.0), 1, 1.0)
    expected = (RGB[74:76, 202].astype(float).sum(axis=0) + 2 * 255) / 4
    np.testing.assert_array_equal(tile[0, 0], np.rint(expected))


def test_nothing_is_enlarged_silently(slide):
    with pytest.raises(ValueError, match="never enlarged"):
        slide.read((50.0, 50.0), 20, 0.49)


def test_the_overview_keeps_the_mean_and_is_never_finer_than_native(slide):
    assert slide.overview(0.1).shape == RGB.shape
    np.testing.assert_array_equal(slide.overview(0.5), RGB)
    small = slide.overview(5.0)
    assert small.shape == (15, 20, 3)
    assert abs(small.mean() - RGB.mean()) < 0.5


def test_equal_pixels_have_one_hash_however_stored(slide):
    assert slide.pixel_hash() == hashlib.sha256(b"203x150" + RGB.tobytes()).hexdigest()


def test_tiled_and_flat_files_open_as_such(slide):
    assert isinstance(slide, TiledSlide if "tiled" in slide.path.name else FlatSlide)


def test_jpeg_tiles_are_those_of_the_whole_image(tmp_path: Path):
    smooth = np.add.outer(np.arange(150), np.arange(203)).astype(np.uint8)
    path = tmp_path / "jpeg.tif"
    pixels = np.stack([smooth, 255 - smooth, smooth // 2], axis=2)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(64, 64), compression="jpeg")
    np.testing.assert_array_equal(open_slide(path, 0.5).overview(0.5), tifffile.imread(path))


def test_white_boxes_are_white_and_nothing_else_is(tmp_path: Path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    slide = open_slide(tmp_path / "a.png", 0.5, (Box(180.0, 0.0, 203.0, 40.0),))
    expected = RGB.copy()
    expected[:40, 180:] = 255
    np.testing.assert_array_equal(slide.overview(0.5), expected)
    np.testing.assert_array_equal(slide.read((190.0, 38.0), 10, 0.5), expected[33:43, 185:195])


def test_transparent_is_white_and_grey_is_three_channels(tmp_path: Path):
    rgba = np.zeros((4, 4, 4), dtype=np.uint8)
    rgba[..., 3] = [0, 255, 51, 255]
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "alpha.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("alpha.png", "alpha.tif"):
        assert open_slide(tmp_path / name, 1.0).overview(1.0)[0, :, 0].tolist() == [255, 0, 204, 0]
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    tifffile.imwrite(tmp_path / "grey.tif", grey, photometric="minisblack")
    for name in ("grey.png", "grey.tif"):
        pixels = open_slide(tmp_path / name, 1.0).overview(1.0)
        np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("unassalpha", [177, 127, 127]),
        ("assocalpha", [227, 127, 127]),
        ("unspecified", [100, 0, 0]),
    ],
)
def test_a_fourth_sample_means_what_the_tiff_says(extra, expected, tile, tmp_path):
    """Alpha, alpha that the colours are multiplied by already, or nothing that is known."""
    pixels = np.full((64, 64, 4), (100, 0, 0, 128), dtype=np.uint8)
    path = tmp_path / "alpha.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[extra], tile=tile)
    assert open_slide(path, 1.0).overview(1.0)[0, 0].tolist() == expected


def test_alpha_of_a_grey_image_where_zero_is_white_is_not_inverted(tmp_path):
    pixels = np.full((8, 8, 2), (10, 255), dtype=np.uint8)
    path = tmp_path / "grey.tif"
    extra = ["unassalpha"]
    tifffile.imwrite(
        path, pixels, photometric="miniswhite", extrasamples=extra, planarconfig="contig"
    )
    assert (open_slide(path, 1.0).overview(1.0) == 245).all()


def test_16_bits_are_refused(tmp_path: Path):
    deep = np.full((8, 8), 40_000, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    tifffile.imwrite(tmp_path / "deep.tif", np.stack([deep] * 3, axis=2), photometric="rgb")
    for name in ("deep.png", "deep.tif"):
        with pytest.raises(DataContractError, match="8 bits"):
            open_slide(tmp_path / name, 1.0)


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.tif", "cut-tiled.tif"])
def test_a_truncated_image_says_so(name, tmp_path: Path):
    path = tmp_path / name
    if name == "cut-tiled.tif":
        tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64))
    else:
        Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataContractError, match="truncated or broken") as caught:
        open_slide(path, 1.0).pixel_hash()
    assert name in caught.value.problems[0].where


def test_an_unknown_format_names_those_supported(tmp_path: Path):
    (tmp_path / "slide.bmp").write_bytes(b"BM")
    with pytest.raises(DataContractError, match="JPEG, PNG or TIFF"):
        open_slide(tmp_path / "slide.bmp", 1.0)


def test_um_per_px_comes_from_metadata_fit_for_a_microscope_only(tmp_path: Path):
    um_per_px = 0.5
    tifffile.imwrite(
        tmp_path / "cm.tif", RGB, resolution=(1e4 / um_per_px,) * 2, resolutionunit="CENTIMETER"
    )
    tifffile.imwrite(tmp_path / "none.tif", RGB, photometric="rgb")
    Image.fromarray(RGB).save(tmp_path / "fine.png", dpi=(25_400 / um_per_px,) * 2)
    Image.fromarray(RGB).save(tmp_path / "print.png", dpi=(300, 300))
    Image.fromarray(RGB).save(tmp_path / "screen.jpg", dpi=(72, 72))
    assert image_mpp(tmp_path / "cm.tif") == pytest.approx(0.5)
    assert image_mpp(tmp_path / "fine.png") == pytest.approx(0.5, rel=1e-3)
    for name in ("none.tif", "print.png", "screen.jpg"):
        assert image_mpp(tmp_path / name) is None


def test_large_images_pass_pillows_guard_and_leave_it_as_it_was(tmp_path: Path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_slide(tmp_path / "a.png", 1.0).overview(1.0).shape == RGB.shape
    assert Image.MAX_IMAGE_PIXELS == 100


def test_two_images_stay_decoded_and_more_where_they_are_small(tmp_path: Path, monkeypatch):
    names = ("a.png", "b.png", "c.png", "d.png")
    for room, kept in ((0, names[2:]), (2 * RGB.nbytes, names[1:]), (1 << 30, names)):
        monkeypatch.setattr(flat, "_KEPT_BYTES", room)
        flat._decoded.clear()
        for name in names:
            Image.fromarray(RGB).save(tmp_path / name)
            open_slide(tmp_path / name, 1.0).read((10.0, 10.0), 4, 1.0)
        assert list(flat._decoded) == [(*stamp(tmp_path / name), None, False) for name in kept]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "tiled.tif"])
def test_another_image_at_the_path_is_read_anew_even_of_the_same_time(name, tmp_path):
    path, tile = tmp_path / name, (64, 64) if name == "tiled.tif" else None
    for pixels in (RGB, 255 - RGB):
        new = tmp_path / f"new-{name}"
        if name == "a.png":
            Image.fromarray(pixels).save(new)
        else:
            tifffile.imwrite(new, pixels, photometric="rgb", tile=tile)
        os.utime(new, (1e9, 1e9))
        new.replace(path)
        np.testing.assert_array_equal(open_slide(path, 1.0).region(0, 0, 203, 150), pixels)
