"""Which image of a file is read: by size or by number, and what is told of the others."""

import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.slides.file_images import FileImage, choose_image
from histoscribe.io.slides.slide import image_mpp, open_slide, open_whole_slide
from tests.io.slides.test_slide_bad import message

RNG = np.random.default_rng(5)
TILED = {"photometric": "rgb", "tile": (32, 32), "metadata": None}


def picture(width: int, height: int) -> np.ndarray:
    return RNG.integers(0, 255, (height, width, 3)).astype(np.uint8)


def ome(images: list[tuple[np.ndarray, float]], names: tuple[str, ...] = ()) -> str:
    xml = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    for n, (pixels, mpp) in enumerate(images):
        height, width, _ = pixels.shape
        name = f' Name="{names[n]}"' if names else ""
        xml += (
            f'<Image ID="Image:{n}"{name}><Pixels ID="Pixels:{n}" DimensionOrder="XYCZT" '
            f'Type="uint8" SizeX="{width}" SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1" '
            f'PhysicalSizeX="{mpp}" PhysicalSizeY="{mpp}"><Channel ID="Channel:{n}:0" '
            f'SamplesPerPixel="3"/><TiffData IFD="{n}" PlaneCount="1"/></Pixels></Image>'
        )
    return xml + "</OME>"


def write(path: Path, pages: list[np.ndarray], text: str | None = None, **options) -> Path:
    """Pages of a TIFF, each with a level of half its size."""
    with tifffile.TiffWriter(path, ome=False) as file:
        for n, pixels in enumerate(pages):
            description = text.encode() if text and n == 0 else None
            file.write(pixels, subifds=1, description=description, **TILED, **options)
            half = np.asarray(Image.fromarray(pixels).reduce(2))
            file.write(half, subfiletype=1, **TILED, **options)
    return path


def test_the_largest_image_is_read_with_its_own_um_per_px_and_all_are_named(tmp_path):
    small, large = picture(96, 64), picture(128, 96)
    text = ome([(small, 0.5), (large, 0.25)])
    path = write(tmp_path / "two.ome.tif", [small, large], text)
    slide = open_whole_slide(path)
    assert (slide.mpp, len(slide.levels)) == (0.25, 2)
    np.testing.assert_array_equal(slide.region(0, 0, 128, 96), large)
    (said,) = slide.warnings
    assert "1: 96 x 64 px; 2: 128 x 96 px" in said
    assert "Image 2, the largest" in said
    assert open_slide(path, 0.25).warnings == slide.warnings


@pytest.mark.parametrize(("number", "mpp", "width"), [(1, 0.5, 96), (2, 0.25, 128)])
def test_an_image_asked_for_by_number_is_read(number, mpp, width, tmp_path):
    pages = [picture(96, 64), picture(128, 96)]
    path = write(tmp_path / "two.ome.tif", pages, ome([(pages[0], 0.5), (pages[1], 0.25)]))
    slide = open_whole_slide(path, image_number=number)
    assert (slide.mpp, slide.width) == (mpp, width)
    assert image_mpp(path, number) == mpp
    np.testing.assert_array_equal(slide.overview(mpp), pages[number - 1])
    hashes = {open_whole_slide(path, image_number=n).pixel_hash() for n in (1, 2)}
    assert len(hashes) == 2
    assert "no image 3" in message(partial(open_whole_slide, path, image_number=3))


def test_two_equally_large_images_are_asked_about(tmp_path):
    pages = [picture(96, 64), picture(96, 64)]
    said = message(partial(open_slide, write(tmp_path / "two.tif", pages), 0.5))
    assert "1 and 2 are equally large" in said
    assert "image_number" in said
    np.testing.assert_array_equal(
        open_slide(tmp_path / "two.tif", 0.5, (), 2).overview(0.5), pages[1]
    )


def test_flat_pages_are_images_too(tmp_path):
    pages = [picture(40, 30), picture(80, 60), picture(60, 50)]
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for pixels in pages:
            file.write(pixels, photometric="rgb", metadata=None)
    slide = open_slide(tmp_path / "pages.tif", 0.5)
    np.testing.assert_array_equal(slide.overview(0.5), pages[1])
    assert "holds 3 images" in slide.warnings[0]
    third = open_slide(tmp_path / "pages.tif", 0.5, (), 3)
    np.testing.assert_array_equal(third.overview(0.5), pages[2])
    np.testing.assert_array_equal(slide.overview(0.5), pages[1])


def test_labels_and_macro_images_are_named_in_a_note_and_surprise_nobody(tmp_path):
    scan = picture(256, 192)
    text = "Aperio Image Library v12\r\n256x192 |AppMag = 20|MPP = 0.499"
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        file.write(scan, description=text, compression="deflate", **TILED)
        for name, size in (("256x192 ->", (64, 48)), ("\nlabel", (99, 88)), ("\nmacro", (300, 99))):
            about = f"Aperio Image Library v12\r\n{name} {size[0]}x{size[1]}"
            file.write(picture(*size), photometric="rgb", description=about, metadata=None)
    slide = open_whole_slide(tmp_path / "a.svs")
    (note,) = slide.notes
    assert slide.warnings == ()
    for part in ("64 x 48 px (thumbnail)", "99 x 88 px (label)", "300 x 99 px (macro)"):
        assert part in note
    np.testing.assert_array_equal(slide.overview(slide.mpp), scan)


def test_a_macro_image_before_a_small_scan_is_not_taken_for_it(tmp_path):
    pages = [picture(256, 96), picture(128, 96)]
    text = ome([(page, 0.5) for page in pages], names=("macro", "scan"))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=False) as file:
        file.write(pages[0], description=text.encode(), **TILED)
        file.write(pages[1], **TILED)
    slide = open_whole_slide(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(slide.overview(0.5), pages[1])


def test_a_larger_picture_that_cannot_be_a_scan_is_passed_over(tmp_path):
    scan = picture(64, 48)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((96, 128), np.uint16), photometric="minisblack", metadata=None)
        file.write(np.zeros((48, 64), np.uint8), photometric="minisblack", metadata=None)
        file.write(scan, photometric="rgb", metadata=None)
    slide = open_slide(tmp_path / "a.tif", 0.5)
    np.testing.assert_array_equal(slide.overview(0.5), scan)
    assert "uint16" in slide.warnings[0]


def test_of_a_file_with_a_scan_alone_nothing_is_told():
    choice = choose_image("a", [FileImage(10, 10)], None)
    assert (choice.index, choice.note) == (0, "")
    with pytest.raises(DataContractError, match="no image 2"):
        choose_image("a", [FileImage(10, 10)], 2)


@pytest.mark.parametrize(("n_pages", "back_to"), [(1, 0), (3, 0), (3, 1), (3, 2), (130, 120)])
def test_a_chain_of_pages_in_a_circle_is_refused(n_pages, back_to, tmp_path):
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(n_pages):
            file.write(picture(16, 16), photometric="rgb", metadata=None)
    content = bytearray(path.read_bytes())
    offsets, (offset,) = [], struct.unpack("<I", content[4:8])
    while offset:
        offsets.append(offset)
        following = offset + 2 + 12 * struct.unpack("<H", content[offset : offset + 2])[0]
        (offset,) = struct.unpack("<I", content[following : following + 4])
    content[following : following + 4] = struct.pack("<I", offsets[back_to])
    path.write_bytes(content)
    said = message(partial(open_slide, path, 0.5))
    assert f"page {n_pages} is followed by page {back_to + 1}" in said


def ngff(group: zarr.Group, pixels: np.ndarray, mpp: float) -> None:
    """An image as bioformats2raw writes it: time and depth of length 1."""
    stored = np.moveaxis(pixels, 2, 0)[None, :, None]
    group.create_array("0", data=stored, chunks=(1, 1, 1, 64, 64))
    axes = [{"name": name} for name in "tc"]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 1.0, mpp, mpp]}
    levels = [{"path": "0", "coordinateTransformations": [scale]}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]


def test_of_ome_zarr_the_largest_image_or_the_one_asked_for_is_read(tmp_path):
    path, pages = tmp_path / "scan.ome.zarr", [picture(96, 64), picture(128, 96)]
    root = zarr.open_group(path, mode="w", zarr_format=2)
    for name, (pixels, mpp) in enumerate(zip(pages, (0.5, 0.25), strict=True)):
        ngff(root.create_group(str(name)), pixels, mpp)
    slide = open_whole_slide(path)
    assert slide.mpp == 0.25
    assert "1: 96 x 64 px" in slide.warnings[0]
    np.testing.assert_array_equal(slide.overview(0.25), pages[1])
    first = open_whole_slide(path, image_number=1)
    assert first.mpp == 0.5
    np.testing.assert_array_equal(first.overview(0.5), pages[0])
    assert first.pixel_hash() != slide.pixel_hash()


def test_a_broken_chunk_of_ome_zarr_is_damage_with_a_place(tmp_path):
    path, pixels = tmp_path / "scan.ome.zarr", picture(128, 96)
    ngff(zarr.open_group(path, mode="w", zarr_format=2), pixels, 0.5)
    (path / "0" / "0.1.0.0.1").write_bytes(b"no chunk")
    (path / "0" / "0.1.0.1.0").unlink()
    slide = open_whole_slide(path, fill=True)
    (chunk,) = slide.damage(0, np.array([[0, 0, 128, 96]]))
    assert (chunk.box.left, chunk.box.top, chunk.box.right, chunk.box.bottom) == (64, 0, 128, 64)
    assert "1 of 12 chunks" in slide.warnings[0]
    assert (slide.overview(0.5)[:64, 64:] == 255).all()
    np.testing.assert_array_equal(slide.overview(0.5)[:64, :64], pixels[:64, :64])
    assert "truncated or broken" in message(partial(open_whole_slide(path).overview, 0.5))
