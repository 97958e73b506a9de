"""Formats of scanner vendors: where level 0 begins, and which files are one slide."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histoscribe.errors import DataContractError
from histoscribe.io.slides import vendor
from histoscribe.io.slides.slide import VendorSlide, open_slide

WIDTH, HEIGHT, LEFT, TOP = 900, 700, 400, 600
GLASS = (2000, 3000)
NM_PER_PX = 250


@pytest.fixture(scope="module")
def image():
    """Smooth colours that differ everywhere."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x // 4, y // 3, (x + y) // 8], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def scn(image, tmp_path_factory) -> Path:
    """A Leica slide: a small scan on a field as large as the glass, in two levels."""
    path = tmp_path_factory.mktemp("scn") / "slide.scn"
    half = image.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    macro = np.full((150, 100, 3), 200, np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, pixels in enumerate((image, half, macro)):
            file.write(
                pixels,
                photometric="rgb",
                tile=(256, 256),
                compression="deflate",
                description=leica_xml() if number == 0 else None,
                metadata=None,
            )
    return path


def leica_xml() -> str:
    return (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f"<collection {nm(*GLASS)}>"
        + of_image(1, GLASS, (0, 0), [(100, 150, 2)])
        + of_image(20, (WIDTH, HEIGHT), (LEFT, TOP),
                   [(WIDTH, HEIGHT, 0), (WIDTH // 2, HEIGHT // 2, 1)])
        + "</collection></scn>"
    )  # fmt: skip


def of_image(power, size, corner, levels) -> str:
    dimensions = "".join(
        f'<dimension sizeX="{width}" sizeY="{height}" r="{r}" ifd="{page}"/>'
        for r, (width, height, page) in enumerate(levels)
    )
    return (
        f'<image><pixels sizeX="{levels[0][0]}" sizeY="{levels[0][1]}">{dimensions}</pixels>'
        f'<view {nm(*size)} offsetX="{corner[0] * NM_PER_PX}" offsetY="{corner[1] * NM_PER_PX}"/>'
        f"<scanSettings><objectiveSettings><objective>{power}</objective></objectiveSettings>"
        "<illuminationSettings><illuminationSource>brightfield</illuminationSource>"
        "</illuminationSettings></scanSettings></image>"
    )


def nm(width, height) -> str:
    return f'sizeX="{width * NM_PER_PX}" sizeY="{height * NM_PER_PX}"'


def test_level_0_is_the_scan_without_the_empty_glass_as_in_qupath(scn, image):
    slide = open_slide(scn, 0.25)
    assert isinstance(slide, VendorSlide)
    assert [(level.width, level.height, level.across) for level in slide.levels] == [
        (WIDTH, HEIGHT, 1.0),
        (WIDTH // 2, HEIGHT // 2, 2.0),
    ]
    np.testing.assert_array_equal(slide.overview(0.25), image)
    np.testing.assert_array_equal(slide.read((450.0, 350.0), 100, 0.25), image[300:400, 400:500])
    half = slide.level_region(1, 0, 0, WIDTH // 2, HEIGHT // 2).astype(int)
    assert np.abs(half - image[::2, ::2]).max() <= 1


def test_the_pictures_beside_a_scan_are_named_and_only_a_choice_is_called_one(scn):
    for number, words in ((None, "Image 1, the largest,"), (1, "Image 1, as asked for,")):
        (note,) = open_slide(scn, 0.25, (), number).notes
        assert "2: 100 x 150 px (macro)" in note
        assert words in note
    with pytest.raises(DataContractError, match="image 2 is no scan"):
        open_slide(scn, 0.25, (), 2)


def test_the_files_of_a_dicom_slide_are_those_of_its_series(image, tmp_path):
    """A folder may hold several slides; another one beside it changes no fingerprint."""
    levels = [np.ascontiguousarray(image[:512:step, :512:step]) for step in (1, 2)]
    for number, pixels in enumerate(levels):
        write_dicom(tmp_path / f"a{number}", pixels, "1.2.5", f"1.2.5.{number}")
    slide = open_slide(tmp_path / "a0", 0.25)
    assert isinstance(slide, VendorSlide)
    assert [level.across for level in slide.levels] == [1.0, 2.0]
    np.testing.assert_array_equal(slide.overview(0.25), levels[0])
    alone = slide.pixel_hash()
    write_dicom(tmp_path / "b0", levels[0], "1.2.55", "1.2.55.0")
    (tmp_path / "notes").write_text("1.2.5")
    assert vendor.files(tmp_path / "a0") == (tmp_path / "a0", tmp_path / "a1")
    assert open_slide(tmp_path / "a0", 0.25).pixel_hash() == alone


def write_dicom(path: Path, pixels: np.ndarray, series: str, instance: str) -> None:
    """One level of a slide, uncompressed, with no more than OpenSlide asks for."""
    syntax, kind, side_px = "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.77.1.6", 128
    height, width = pixels.shape[:2]
    tiles = [
        pixels[y : y + side_px, x : x + side_px].tobytes()
        for y in range(0, height, side_px)
        for x in range(0, width, side_px)
    ]
    head = (
        element(2, 0x01, "OB", b"\0\1")
        + element(2, 0x02, "UI", kind)
        + element(2, 0x03, "UI", instance)
        + element(2, 0x10, "UI", syntax)
        + element(2, 0x12, "UI", "1.2.3")
    )
    body = [
        element(0x08, 0x08, "CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        element(0x08, 0x16, "UI", kind),
        element(0x08, 0x18, "UI", instance),
        element(0x08, 0x60, "CS", "SM"),
        element(0x20, 0x0D, "UI", "1.2.3.4"),
        element(0x20, 0x0E, "UI", series),
        element(0x20, 0x9311, "CS", "TILED_FULL"),
        element(0x28, 0x02, "US", 3),
        element(0x28, 0x04, "CS", "RGB"),
        element(0x28, 0x06, "US", 0),
        element(0x28, 0x08, "IS", str(len(tiles))),
        element(0x28, 0x10, "US", side_px),
        element(0x28, 0x11, "US", side_px),
        element(0x28, 0x100, "US", 8),
        element(0x28, 0x101, "US", 8),
        element(0x28, 0x102, "US", 7),
        element(0x28, 0x103, "US", 0),
        element(0x48, 0x06, "UL", width),
        element(0x48, 0x07, "UL", height),
        element(0x7FE0, 0x10, "OB", b"".join(tiles)),
    ]
    length = element(2, 0x00, "UL", len(head))
    path.write_bytes(bytes(128) + b"DICM" + length + head + b"".join(body))


def element(group: int, number: int, kind: str, value: bytes | str | int) -> bytes:
    """One element of DICOM, in explicit little endian."""
    if isinstance(value, int):
        value = struct.pack("<H" if kind == "US" else "<I", value)
    content = value.encode() if isinstance(value, str) else value
    content += (b"\0" if kind in ("UI", "OB") else b" ") * (len(content) % 2)
    short = struct.pack("<HH2s", group, number, kind.encode())
    if kind == "OB":
        return short + struct.pack("<HI", 0, len(content)) + content
    return short + struct.pack("<H", len(content)) + content
