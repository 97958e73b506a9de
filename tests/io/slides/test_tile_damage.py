"""Damaged tiles of any codec are named with their place, and read as white or refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.slides.slide import VendorSlide, open_slide, open_whole_slide

WIDTH, HEIGHT, TILE = 256, 192, 64
HURT = 5  # second row, second column
BOX = (64, 64, 128, 128)
CODECS = ["jpeg", "webp", "jpeg2000", "lzw", "deflate", "zstd", "packbits", "png"]
LOSSY = {"jpeg": {"level": 90}, "webp": {"level": 80, "lossless": False}, "jpeg2000": {"level": 40}}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(3).integers(40, 180, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def write(path: Path, image: np.ndarray, codec: str | None, **options) -> tuple[int, int]:
    """Write tiles; gives place and number of bytes of the tile to damage."""
    options = {"tile": (TILE, TILE), "compressionargs": LOSSY.get(codec)} | options
    tifffile.imwrite(path, image, photometric="rgb", compression=codec, metadata=None, **options)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        return page.dataoffsets[HURT], page.databytecounts[HURT]


def half_zero(path: Path, start: int, n_bytes: int) -> None:
    overwrite(path, start + n_bytes // 2, bytes(n_bytes - n_bytes // 2))


def zero_at_first(path: Path, start: int, n_bytes: int) -> None:
    del n_bytes
    overwrite(path, start, bytes(16))


def all_zero(path: Path, start: int, n_bytes: int) -> None:
    overwrite(path, start, bytes(n_bytes))


def no_bytes(path: Path, start: int, n_bytes: int) -> None:
    del start, n_bytes
    set_index(path, "ByteCounts", 0)


def past_the_end(path: Path, start: int, n_bytes: int) -> None:
    del start, n_bytes
    set_index(path, "Offsets", 1 << 30)


def left_out(path: Path, start: int, n_bytes: int) -> None:
    """As a sparse TIFF leaves out a tile; this one lies amid tissue."""
    del start, n_bytes
    set_index(path, "ByteCounts", 0)
    set_index(path, "Offsets", 0)


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def set_index(path: Path, name: str, value: int, tiles: tuple[int, ...] = (HURT,)) -> None:
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages.first
        tag = page.tags[("Tile" if page.is_tiled else "Strip") + name]
        values = list(tag.value)
        for tile in tiles:
            values[tile] = value
        tag.overwrite(values)


@pytest.mark.parametrize(
    "hurt", [half_zero, zero_at_first, all_zero, no_bytes, past_the_end, left_out]
)
@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_tile_is_named_and_white_or_stops(codec, hurt: Callable, image, tmp_path):
    path = tmp_path / "slide.tif"
    start, n_bytes = write(path, image, codec)
    sound = open_slide(path, 0.5).overview(0.5)
    hurt(path, start, n_bytes)
    slide = open_whole_slide(path, 0.5, fill=True)
    (tile,) = slide.damage(0, np.array([[0, 0, WIDTH, HEIGHT]]))
    assert (tile.box.left, tile.box.top, tile.box.right, tile.box.bottom) == BOX
    assert slide.damage(0, np.array([[0, 0, 64, 64], [128, 64, 200, 190]])) == ()
    left, top, right, bottom = BOX
    expected = sound.copy()
    expected[top:bottom, left:right] = 255
    np.testing.assert_array_equal(slide.overview(0.5), expected)
    with pytest.raises(DataContractError, match=r"truncated or broken|ends at byte"):
        open_slide(path, 0.5).overview(0.5)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_jpeg_of_any_sampling_is_checked(photometric, subsampling, image, tmp_path):
    path = tmp_path / "slide.tif"
    start, n_bytes = write(path, image, "jpeg", subsampling=subsampling)
    whole = np.array([[0, 0, WIDTH, HEIGHT]])
    assert open_whole_slide(path, 0.5, fill=True).damage(0, whole) == ()
    half_zero(path, start, n_bytes)
    assert len(open_whole_slide(path, 0.5, fill=True).damage(0, whole)) == 1


def test_planes_strips_and_grey_are_checked(image, tmp_path):
    whole = np.array([[0, 0, WIDTH, HEIGHT]])
    planes = np.moveaxis(image, 2, 0)
    start, n_bytes = write(tmp_path / "a.tif", planes, "lzw", planarconfig="separate")
    half_zero(tmp_path / "a.tif", start, n_bytes)
    (tile,) = open_whole_slide(tmp_path / "a.tif", 0.5, fill=True).damage(0, whole)
    assert (tile.box.left, tile.box.top) == (64, 64)
    start, n_bytes = write(tmp_path / "b.tif", image, "jpeg", tile=None, rowsperstrip=32)
    half_zero(tmp_path / "b.tif", start, n_bytes)
    slide = open_whole_slide(tmp_path / "b.tif", 0.5, fill=True)
    (strip,) = slide.damage(0, whole)
    assert (strip.box.left, strip.box.top, strip.box.right, strip.box.bottom) == (0, 160, 256, 192)
    assert (slide.overview(0.5)[160:] == 255).all()
    grey = np.ascontiguousarray(image[..., 0])
    tifffile.imwrite(tmp_path / "c.tif", grey, tile=(64, 64), compression="jpeg", metadata=None)
    assert open_whole_slide(tmp_path / "c.tif", 0.5, fill=True).damage(0, whole) == ()


def test_a_file_cut_off_loses_its_last_tiles(image, tmp_path):
    path = tmp_path / "slide.tif"
    write(path, image, "deflate")
    with tifffile.TiffFile(path) as file:
        offsets = file.pages.first.dataoffsets
    path.write_bytes(path.read_bytes()[: offsets[9] + 5])
    slide = open_whole_slide(path, 0.5, fill=True)
    damaged = slide.damage(0, np.array([[0, 0, WIDTH, HEIGHT]]))
    assert [(tile.box.left, tile.box.top) for tile in damaged] == [
        (64, 128),
        (128, 128),
        (192, 128),
    ]
    assert "5 of" in damaged[0].why
    with pytest.raises(DataContractError, match="ends at byte"):
        open_slide(path, 0.5)


def test_a_missing_row_of_tiles_amid_tissue_is_damage_and_amid_glass_is_glass(image, tmp_path):
    path = tmp_path / "slide.tif"
    glass = image.copy()
    glass[60:] = 240
    for picture, n_damaged in ((image, 4), (glass, 0)):
        write(path, picture, "deflate")
        for name in ("ByteCounts", "Offsets"):
            set_index(path, name, 0, tiles=(4, 5, 6, 7) if n_damaged else (8, 9, 10, 11))
        slide = open_whole_slide(path, 0.5, fill=True)
        assert len(slide.damage(0, np.array([[0, 0, WIDTH, HEIGHT]]))) == n_damaged
    assert (open_slide(path, 0.5).overview(0.5)[128:] == 255).all()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_level_of_jpeg_2000_in_an_aperio_file_shifts_no_other_level(lost, image, tmp_path):
    """OpenSlide reads these tiles, and still counts the level that is not used."""
    path = tmp_path / "slide.svs"
    write_aperio(path, image)
    sound = open_whole_slide(path, fill=True)
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[lost].tags["TileByteCounts"]
        tag.overwrite([1 << 30, *tag.value[1:]])
    slide = open_whole_slide(path, fill=True)
    left = 3 - lost
    assert isinstance(slide, VendorSlide)
    assert [level.across for level in slide.levels] == [1, 2**left]
    assert [warning for warning in slide.warnings if "is not used: it ends at byte" in warning]
    level = slide.levels[1]
    box = (0, 0, level.width, level.height)
    assert slide.damage(1, np.array([box])) == ()
    np.testing.assert_array_equal(slide.level_region(1, *box), sound.level_region(left, *box))


def write_aperio(path: Path, image: np.ndarray) -> None:
    """Three levels in JPEG 2000 of YCbCr, whose colours only OpenSlide converts."""
    large = Image.fromarray(image).resize((1024, 768))
    with tifffile.TiffWriter(path) as file:
        for factor in (1, 2, 4):
            file.write(
                np.asarray(large.reduce(factor)),
                photometric="rgb",
                tile=(TILE, TILE),
                compression=tifffile.COMPRESSION.APERIO_JP2000_YCBC,
                description="Aperio Image Library v10|AppMag = 20|MPP = 0.5",
                metadata=None,
            )


def test_shared_tables_that_are_damaged_damage_every_tile(image, tmp_path):
    path = tmp_path / "slide.tif"
    write(path, image, "jpeg")
    with Image.open(path) as picture:  # Pillow writes tables once, for all strips
        picture.save(tmp_path / "tables.tif", compression="jpeg")
    with tifffile.TiffFile(tmp_path / "tables.tif") as file:
        tag = file.pages.first.tags["JPEGTables"]
        start, n_bytes = tag.valueoffset, tag.count
    overwrite(tmp_path / "tables.tif", start + 4, bytes(n_bytes - 4))
    slide = open_whole_slide(tmp_path / "tables.tif", 0.5, fill=True)
    n_strips = len(slide.damage(0, np.array([[0, 0, WIDTH, HEIGHT]])))
    with tifffile.TiffFile(tmp_path / "tables.tif") as file:
        assert n_strips == len(file.pages.first.dataoffsets)


def test_a_flat_jpeg_with_corrupt_data_is_refused(image, tmp_path):
    path = tmp_path / "slide.jpg"
    Image.fromarray(image).save(path, quality=90)
    assert open_slide(path, 0.5).overview(0.5).shape == image.shape
    half_zero(path, 0, path.stat().st_size)
    with pytest.raises(DataContractError, match="truncated or broken"):
        open_slide(path, 0.5).overview(0.5)


def test_flat_parts_of_a_tile_with_codes_of_its_own_are_no_damage(image, tmp_path):
    """Blocks of one colour are then a row of zero bits."""
    flat = np.full((512, 512, 3), 240, np.uint8)
    flat[:8] = image[:8, :1]
    Image.fromarray(flat).save(tmp_path / "flat.jpg", optimize=True)
    assert open_slide(tmp_path / "flat.jpg", 0.5).overview(0.5).shape == flat.shape
