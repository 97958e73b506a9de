"""Metadata that contradicts itself or the user is told, and can be overruled."""

from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoscribe.io.slides.slide import image_mpp, open_slide, open_whole_slide
from tests.io.slides.test_slide_bad import message

RGB = np.random.default_rng(2).integers(0, 255, (64, 96, 3)).astype(np.uint8)
ORIENTATION = 274


def tiff(path, **options):
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(32, 32), **({"metadata": None} | options))
    return path


def test_the_user_can_overrule_the_file_and_each_remedy_says_how(tmp_path):
    path = tiff(tmp_path / "a.tif", resolution=(20000, 20000), resolutionunit="INCH")
    assert open_whole_slide(path).mpp == pytest.approx(1.27)
    assert "--mpp-from user" in message(partial(open_whole_slide, path, 0.5))
    assert open_whole_slide(path, 0.5, mpp_from="user").mpp == 0.5
    assert open_whole_slide(path, 0.5, mpp_from="metadata").mpp == pytest.approx(1.27)


def test_a_source_to_trust_must_have_a_value(tmp_path):
    path = tiff(tmp_path / "a.tif")
    assert "no um/px from you" in message(partial(open_whole_slide, path, mpp_from="user"))
    assert "leave out" in message(partial(open_whole_slide, path, 0.5, mpp_from="metadata"))


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (50800, 50800), "resolutionunit": "INCH"}, 0.5),
        ({"resolution": (2, 2), "resolutionunit": "NONE"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "um"}}, 0.5),
    ],
)
def test_resolution_tags_count_with_their_unit(options, mpp, tmp_path):
    if options.get("imagej"):
        tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", **options)
    else:
        tiff(tmp_path / "a.tif", **options)
    assert image_mpp(tmp_path / "a.tif") == (None if mpp is None else pytest.approx(mpp))


def test_a_um_per_px_that_programs_write_by_default_is_told(tmp_path):
    path = tiff(tmp_path / "a.tif", resolution=(10000, 10000), resolutionunit="CENTIMETER")
    assert "exactly 1 um/px" in open_whole_slide(path).warnings[0]
    assert open_whole_slide(path, 1.0).warnings == ()


@pytest.mark.parametrize(
    ("magnification", "mpp", "is_told"),
    [(40, 0.25, False), (40, 0.23, False), (20, 0.5, False), (40, 0.5, True), (20, 0.25, True)],
)
def test_a_magnification_that_contradicts_the_um_per_px_is_told(
    magnification, mpp, is_told, tmp_path
):
    text = f"Aperio Image Library v12\r\n96x64 |AppMag = {magnification}|MPP = {mpp}"
    slide = open_whole_slide(tiff(tmp_path / "a.svs", description=text))
    assert slide.mpp == mpp
    assert any(f"{magnification}x" in warning for warning in slide.warnings) == is_told


@pytest.mark.parametrize(
    ("stated", "mpp"), [("0,25", 0.25), ("0.25", 0.25), ("0.2.5", None), (".", None), ("0", None)]
)
def test_a_decimal_comma_is_read_and_no_number_asks_for_the_um_per_px(stated, mpp, tmp_path):
    text = f"Aperio Image Library v12\r\n96x64 |AppMag = 40|MPP = {stated}"
    sizes = {f"PhysicalSize{axis}": "stated" for axis in "XY"}
    aperio, ome = tiff(tmp_path / "a.svs", description=text), tmp_path / "a.ome.tif"
    tifffile.imwrite(ome, RGB, photometric="rgb", metadata={"axes": "YXS", **sizes})
    tifffile.tiffcomment(ome, tifffile.tiffcomment(ome).replace("stated", stated))
    for path in (aperio, ome):
        assert image_mpp(path) == mpp
        assert open_whole_slide(path, 0.25).mpp == 0.25


def oriented(path, orientation):
    """An image whose tag asks viewers to turn it."""
    if path.suffix == ".tif":
        return tiff(path, extratags=[(ORIENTATION, 3, 1, orientation, True)])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(RGB).save(path, exif=exif)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png"])
def test_an_image_that_viewers_turn_is_read_as_stored_and_told(name, tmp_path):
    path = oriented(tmp_path / name, 6)
    slide = open_whole_slide(path, 0.5)
    assert (slide.width, slide.height) == (96, 64)
    assert "turned by 90 degrees clockwise" in slide.warnings[0]
    assert "stored" in slide.warnings[0]
    said = message(partial(open_slide, path, 0.5))
    assert "as stored or as shown" in said
    assert "Orientation=1" in said


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png"])
def test_an_image_shown_as_stored_needs_no_word(name, tmp_path):
    assert open_whole_slide(oriented(tmp_path / name, 1), 0.5).warnings == ()


def test_exif_behind_the_pixels_of_a_png_counts_too(tmp_path):
    path = oriented(tmp_path / "a.png", 3)
    content = path.read_bytes()
    at = content.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], "big")
    last = content.index(b"IEND") - 4
    path.write_bytes(content[:at] + content[end:last] + content[at:end] + content[last:])
    assert "180 degrees" in open_whole_slide(path, 0.5).warnings[0]


def test_colours_of_a_printer_are_refused(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.jpg")
    assert "CMYK" in message(partial(open_slide, tmp_path / "a.jpg", 0.5))
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.tif")
    assert "SEPARATED" in message(partial(open_slide, tmp_path / "a.tif", 0.5))


def test_a_palette_gives_its_colours(tmp_path):
    palette = Image.fromarray(RGB).quantize(200)
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        open_slide(tmp_path / "a.png", 0.5).overview(0.5), np.asarray(palette.convert("RGB"))
    )
    palette.save(tmp_path / "a.tif")
    assert "PALETTE" in message(partial(open_slide, tmp_path / "a.tif", 0.5))
