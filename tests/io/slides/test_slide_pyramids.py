"""Pyramids: the best level, its true scale, one answer whoever reads the file."""

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

from benchmarks._pyramid import Layout, write_pyramid
from histoscribe.io.slides import tiled, vendor
from histoscribe.io.slides.region import levels_of
from histoscribe.io.slides.resample import Box, shrink
from histoscribe.io.slides.slide import (
    FlatSlide,
    TiledSlide,
    VendorSlide,
    open_slide,
    open_whole_slide,
)
from histoscribe.io.slides.tile_cache import TileCache

WIDTH, HEIGHT, MPP = 2101, 1501, 0.25


@pytest.fixture(scope="module")
def image():
    """Smooth colours that differ everywhere, so that JPEG keeps them and a shift shows."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 31) + np.cos(y / 47), np.cos(x / 53 + y / 29), np.sin((x - y) / 41)]
    return np.stack([127 + 50 * wave for wave in waves], axis=2).astype(np.uint8)


def region_of(image):
    return lambda left, top, right, bottom: image[top:bottom, left:right]


@pytest.fixture(scope="module")
def small(image):
    return np.ascontiguousarray(image[:330, :500])


@pytest.fixture(scope="module", params=["pages", "subifds"])
def pyramid(request, image, tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / f"{request.param}.tif"
    layout = Layout(tile_px=128, quality=95, in_pages=request.param == "pages")
    write_pyramid(path, region_of(image), (WIDTH, HEIGHT), MPP, layout)
    return path


def test_a_written_pyramid_is_read_with_its_levels_and_um_per_px(pyramid, image):
    slide = open_whole_slide(pyramid)
    assert isinstance(slide, TiledSlide)
    assert slide.mpp == pytest.approx(MPP)
    assert [(level.width, level.height) for level in slide.levels] == [
        (2101, 1501),
        (1051, 751),
        (526, 376),
    ]
    assert [level.across for level in slide.levels] == [1.0, 2.0, 4.0]
    difference = np.abs(slide.overview(MPP).astype(int) - image)
    assert difference.mean() < 2
    assert difference.max() < 30


def test_a_level_is_the_mean_of_the_px_above_it(pyramid, image):
    slide = open_whole_slide(pyramid)
    means = image[:1500, :2100].reshape(750, 2, 1050, 2, 3).mean(axis=(1, 3))
    level = slide.level_region(1, 0, 0, 1050, 750)
    assert np.abs(level - means).mean() < 1.5


def test_tiles_come_from_the_level_as_they_are_within_one_percent(pyramid):
    slide = open_whole_slide(pyramid)
    crop = slide.level_region(1, 300, 200, 364, 264)
    for mpp in (2 * MPP, 1.99 * MPP, 2.01 * MPP):
        np.testing.assert_array_equal(slide.read((664.0, 464.0), 64, mpp), crop)


def test_between_levels_the_finer_one_is_shrunk(pyramid):
    slide = open_whole_slide(pyramid)
    expected = shrink(partial(slide.level_region, 1), Box(300.0, 200.0, 396.0, 296.0), 64, 64)
    np.testing.assert_array_equal(slide.read((696.0, 496.0), 64, 3 * MPP), expected)


@pytest.mark.parametrize("mpp", [0.3, 0.5, 0.75, 1.0, 2.5])
def test_a_tile_shows_the_same_place_from_every_level(pyramid, image, mpp):
    def level_0(left, top, right, bottom):
        return image[top:bottom, left:right]

    half = 48 * mpp / MPP / 2
    box = Box(1048.0 - half, 752.0 - half, 1048.0 + half, 752.0 + half)
    expected = shrink(level_0, box, 48, 48).astype(int)
    tile = open_whole_slide(pyramid).read((1048.0, 752.0), 48, mpp)
    assert np.abs(tile - expected).mean() < 2


def test_the_overview_reads_a_coarse_level_only(pyramid, monkeypatch):
    slide = open_whole_slide(pyramid)
    read = []
    pixels = TiledSlide.level_pixels
    monkeypatch.setattr(
        TiledSlide,
        "level_pixels",
        lambda self, level, *box: read.append(level) or pixels(self, level, *box),
    )
    assert slide.overview(1.0).shape == (375, 525, 3)
    assert set(read) == {2}


def test_outside_a_level_is_white(pyramid):
    tile = open_whole_slide(pyramid).read((0.0, 0.0), 40, 4 * MPP)
    assert (tile[:20] == 255).all()
    assert (tile[:, :20] == 255).all()
    assert (tile[20:, 20:] < 255).all()


def test_white_boxes_are_white_at_every_level(pyramid):
    slide = open_slide(pyramid, MPP, (Box(400.0, 200.0, 800.0, 600.0),))
    for number, level in enumerate(slide.levels):
        pixels = slide.level_region(number, 0, 0, level.width, level.height)
        expected = np.zeros((level.height, level.width), dtype=bool)
        factor = int(level.across)
        expected[200 // factor : 600 // factor, 400 // factor : 800 // factor] = True
        np.testing.assert_array_equal((pixels == 255).all(axis=2), expected)


def test_openslide_and_tifffile_give_the_same_pixels(image, tmp_path):
    path = tmp_path / "slide.tif"
    write_pyramid(path, region_of(image), (WIDTH, HEIGHT), MPP, Layout(in_pages=True))
    same_whoever_reads(path)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_colours_are_the_same_whoever_reads(small, subsampling, photometric, tmp_path):
    """`rgb` here asks tifffile for YCbCr with these factors; `ycbcr` marks it so itself."""
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path,
        small,
        photometric=photometric,
        tile=(256, 256),
        compression="jpeg",
        subsampling=subsampling,
    )
    same_whoever_reads(path)


@pytest.mark.parametrize("compression", ["lzw", "deflate", None])
def test_lossless_tiles_are_the_image_whoever_reads(small, compression, tmp_path):
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, small, photometric="rgb", tile=(256, 240), compression=compression)
    np.testing.assert_array_equal(open_slide(path, MPP).overview(MPP), small)
    same_whoever_reads(path)


def same_whoever_reads(path: Path) -> None:
    """Every level, whole, to the bit."""
    by_tifffile = TiledSlide(path, tiled.sizes(path), MPP)
    by_openslide = VendorSlide(path, vendor.sizes(path), MPP)
    assert by_tifffile.levels == by_openslide.levels
    for number, level in enumerate(by_tifffile.levels):
        box = (0, 0, level.width, level.height)
        np.testing.assert_array_equal(
            by_tifffile.level_pixels(number, *box), by_openslide.level_pixels(number, *box)
        )


def test_a_vendors_format_goes_to_openslide(image, tmp_path):
    """Trestle's TIFF, whose tiles may overlap: tifffile would lay them side by side."""
    path = tmp_path / "trestle.tif"
    tifffile.imwrite(
        path,
        image,
        photometric="rgb",
        tile=(256, 256),
        compression="deflate",
        software="MedScan",
        description="Background Color=E6E6E6;OverlapsXY=0 0 0 0;Objective Power=20",
        metadata=None,
    )
    slide = open_slide(path, MPP)
    assert isinstance(slide, VendorSlide)
    np.testing.assert_array_equal(slide.region(300, 200, 900, 700), image[200:700, 300:900])
    assert slide.pixel_hash() == hashlib.sha256(b"2101x1501" + image.tobytes()).hexdigest()


def test_large_rectangles_through_openslide_have_no_seams(image, tmp_path, monkeypatch):
    monkeypatch.setattr(vendor, "_SIDE_PX", 300)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, image, photometric="rgb", tile=(256, 256))
    slide = VendorSlide(path, vendor.sizes(path), MPP)
    np.testing.assert_array_equal(slide.region(10, 20, 2000, 1400), image[20:1400, 10:2000])


def test_tiles_left_out_are_white(image, tmp_path):
    path = tmp_path / "sparse.tif"
    scan = np.full((512, 512, 3), 245, dtype=np.uint8)
    scan[20:236, 20:236] = image[20:236, 20:236]
    tifffile.imwrite(path, scan, photometric="rgb", tile=(256, 256))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for name in ("TileByteCounts", "TileOffsets"):
            tag = tiff.pages[0].tags[name]
            tag.overwrite([tag.value[0], 0, 0, 0])
    pixels = open_slide(path, MPP).overview(MPP)
    np.testing.assert_array_equal(pixels[:256, :256], scan[:256, :256])
    assert (pixels[256:] == 255).all()
    assert (pixels[:256, 256:] == 255).all()


def test_a_slide_travels_to_another_process(pyramid):
    slide = open_whole_slide(pyramid)
    slide.read((500.0, 500.0), 64, MPP)
    sent = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(
        sent.read((500.0, 500.0), 64, 1.0), slide.read((500.0, 500.0), 64, 1.0)
    )


@pytest.mark.data
@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "tcga_jpeg2000.svs"])
def test_real_slides_are_the_same_whoever_reads(name, real_data):
    same_whoever_reads(real_data / "slides" / name)


@pytest.mark.data
def test_the_level_of_a_real_slide_is_half_and_not_a_little_more(real_data):
    """Its width is 2,221 below 4,443: at a factor of 2.00045 the right half is shifted."""
    slide = open_slide(real_data / "slides" / "tcga_jpeg2000.svs", 0.25)
    half = slide.level_region(1, 1200, 600, 1800, 1200).astype(int)
    level_0 = partial(slide.level_region, 0)
    exact = shrink(level_0, Box(2400.0, 1200.0, 3600.0, 2400.0), 600, 600)
    ratio = 4443 / 2221
    drifted = Box(1200 * ratio, 600 * ratio, 1800 * ratio, 1200 * ratio)
    assert slide.levels[1].across == slide.levels[1].down == 2.0
    apart = np.abs(half - exact).mean()
    assert apart < 0.9 * np.abs(half - shrink(level_0, drifted, 600, 600)).mean()


def test_a_factor_is_whole_where_rounding_explains_the_size():
    sizes = [(4443, 3567), (2221, 1783), (556, 446), (300, 241)]
    levels = levels_of(sizes)
    assert [level.across for level in levels] == [1.0, 2.0, 8.0, 4443 / 300]
    assert [level.down for level in levels] == [1.0, 2.0, 8.0, 3567 / 241]


def test_of_two_whole_factors_that_fit_a_small_level_it_is_the_power_of_two():
    levels = levels_of([(100_095, 80_000), (25_023, 20_000), (390, 312)])
    assert [level.across for level in levels] == [1.0, 4.0, 256.0]
    assert [level.across for level in levels_of([(3000, 3000), (1000, 1000)])] == [1.0, 3.0]


def test_a_px_that_a_white_box_covers_in_part_is_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 20, 3), np.uint8), photometric="rgb")
    slide = open_slide(tmp_path / "a.tif", MPP, (Box(3.4, 2.0, 7.5, 4.1),))
    white = (slide.overview(MPP) == 255).all(axis=2)
    assert (np.argwhere(white).min(axis=0).tolist(), white.sum()) == ([2, 3], 3 * 5)
    np.testing.assert_array_equal(slide.region(5, 3, 20, 20), slide.overview(MPP)[3:, 5:])
    assert (slide.region(8, 5, 20, 20) == 0).all()


def test_planes_of_colour_are_read_as_colour(small, tmp_path):
    path = tmp_path / "planes.tif"
    planes = np.moveaxis(small, 2, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate", tile=(256, 256))
    np.testing.assert_array_equal(open_slide(path, MPP).overview(MPP), small)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(open_slide(path, MPP).overview(MPP), small)


def test_strips_of_a_large_image_are_read_one_by_one(small, tmp_path, monkeypatch):
    monkeypatch.setattr(tiled, "_LARGE_PX", 1000)
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, small, photometric="rgb", rowsperstrip=100, compression="deflate")
    slide = open_slide(path, MPP)
    assert isinstance(slide, TiledSlide)
    np.testing.assert_array_equal(slide.region(30, 50, 400, 330), small[50:330, 30:400])


def test_strips_too_long_to_keep_are_decoded_once_with_the_image(small, tmp_path, monkeypatch):
    monkeypatch.setattr(tiled, "_LARGE_PX", 1000)
    monkeypatch.setattr(tiled.CACHE, "most_bytes", 3 * 500 * 100)
    for rows, kind in ((100, TiledSlide), (101, FlatSlide)):
        path = tmp_path / f"{rows}.tif"
        tifffile.imwrite(path, small, photometric="rgb", rowsperstrip=rows)
        assert isinstance(open_slide(path, MPP), kind)


def test_the_cache_holds_bytes_and_drops_the_oldest():
    cache = TileCache(most_bytes=1000)
    decoded = []

    def tile(name, n_bytes):
        return lambda: decoded.append(name) or np.zeros((1, n_bytes // 3, 3), dtype=np.uint8)

    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(name, tile(name, 450))
    assert decoded == ["a", "b", "c", "b"]
    assert cache.n_bytes == 900
    cache.get("huge", tile("huge", 3000))
    assert (len(cache), cache.n_bytes) == (2, 900)


def test_many_threads_read_what_one_does(pyramid):
    slide = open_whole_slide(pyramid)
    centres = [(float(x), float(y)) for x in range(100, 2000, 190) for y in range(100, 1400, 170)]
    alone = [slide.read(xy, 64, MPP) for xy in centres]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda xy: slide.read(xy, 64, MPP), centres))
    np.testing.assert_array_equal(alone, together)


def test_writing_twice_is_the_same_bytes_and_leaves_nothing_else(image, tmp_path):
    for name in ("a.ome.tif", "b.ome.tif"):
        write_pyramid(tmp_path / name, region_of(image), (WIDTH, HEIGHT), MPP)
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.tif", "b.ome.tif"]
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_ome
        assert len(tiff.series[0].levels) == 3


def test_a_layout_that_tiff_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        Layout(tile_px=100)
    with pytest.raises(ValueError, match="1 to 100"):
        Layout(quality=0)


def test_a_writer_that_fails_leaves_no_file(tmp_path):
    def broken(*_box):
        raise RuntimeError("the scanner is off")

    with pytest.raises(RuntimeError, match="scanner"):
        write_pyramid(tmp_path / "a.tif", broken, (500, 500), MPP)
    assert list(tmp_path.iterdir()) == []
