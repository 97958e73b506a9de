"""Slides that cannot be read: one message that says what was found and what to do."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

from benchmarks._pyramid import Layout, write_pyramid
from histoscribe.errors import DataContractError
from histoscribe.io.slides import tiff
from histoscribe.io.slides.slide import image_mpp, open_slide, open_whole_slide

RGB = np.full((300, 2100, 3), (200, 120, 180), dtype=np.uint8)


def region(left, top, right, bottom):
    return RGB[top:bottom, left:right]


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    write_pyramid(path, region, (2100, 300), 0.5, Layout(in_pages=True))
    return path


def message(work) -> str:
    with pytest.raises(DataContractError) as caught:
        work()
    (problem,) = caught.value.problems
    assert problem.where
    assert problem.remedy
    return str(problem)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04\x14\x00\x01\x00" + bytes(50), "an encrypted zip archive"),
        (b"PK\x03\x04\x14\x00\x00\x00" + bytes(50), "a zip archive"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (np.random.default_rng(3).bytes(4096), "content in no known format"),
    ],
)
@pytest.mark.parametrize("name", ["slide.svs", "slide.mrxs", "slide.jpg"])
def test_what_is_no_slide_is_named_for_what_it_seems(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert said in message(partial(open_slide, tmp_path / name, 0.5))
    assert said in message(partial(open_whole_slide, tmp_path / name, 0.5))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.95, 0.999])
def test_a_slide_cut_anywhere_is_refused_when_opened(share, slide, capfd, tmp_path):
    whole = slide.read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: max(int(len(whole) * share), 9)])
    said = message(partial(open_whole_slide, cut, 0.5))
    assert "truncated or broken" in said
    assert "again" in said
    assert capfd.readouterr() == ("", "")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("CMU-1-Small-Region.svs", 0.5),
        ("CMU-1-Small-Region.svs", 0.01),
        ("tcga_jpeg2000.svs", 0.5),
        ("tcga_jpeg2000.svs", 0.01),
        ("tcga_jpeg2000.svs", 0.0001),  # of the index of the second level only
    ],
)
def test_a_truncated_svs_is_refused_when_opened(name, left_out, real_data, tmp_path, capfd):
    whole = (real_data / "slides" / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * (1 - left_out))])
    assert "truncated or broken" in message(partial(open_whole_slide, tmp_path / name, 0.25))
    assert capfd.readouterr() == ("", "")


def test_a_tile_that_cannot_be_decoded_says_so(slide):
    with tifffile.TiffFile(slide) as tiff:
        page = tiff.pages[1]
        start, n_bytes = page.dataoffsets[0], page.databytecounts[0]
    with slide.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(n_bytes))
    opened = open_whole_slide(slide)
    assert (opened.read((1050.0, 150.0), 200, 0.5) != 255).all()
    assert "truncated or broken" in message(partial(opened.overview, 1.0))


def test_fluorescence_is_not_taken_for_a_grey_image(tmp_path):
    path = tmp_path / "dapi.ome.tif"
    channels = np.zeros((4, 64, 64), dtype=np.uint8)
    tifffile.imwrite(
        path, channels, photometric="minisblack", tile=(32, 32), metadata={"axes": "CYX"}
    )
    assert "4 channels" in message(partial(open_slide, path, 0.5))


def test_an_unknown_compression_is_named(slide):
    with tifffile.TiffFile(slide, mode="r+b") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(60_999)
    assert "compression" in message(partial(open_slide, slide, 0.5))


def test_no_um_per_px_asks_for_the_option(tmp_path):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64))
    assert "--mpp 0.25" in message(partial(open_whole_slide, path))
    assert open_whole_slide(path, 0.4).mpp == 0.4


def test_um_per_px_from_user_and_file_must_agree(slide):
    assert open_whole_slide(slide).mpp == pytest.approx(0.5)
    assert open_whole_slide(slide, 0.51).mpp == 0.51
    said = message(partial(open_whole_slide, slide, 0.25))
    assert "0.25 from you" in said
    assert "0.5 from the metadata" in said
    assert "--mpp" in said


def test_px_that_are_not_square_are_refused(tmp_path):
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", resolution=(2e4, 1e4), resolutionunit=3)
    assert "not square" in message(partial(open_whole_slide, path))
    assert "not square" in message(partial(image_mpp, path))


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [(0.25, "µm", 0.25), (250.0, "nm", 0.25), (0.00025, "mm", 0.25), (1.0, "pixel", None)],
)
def test_ome_states_um_per_px_in_any_unit(size, unit, expected, tmp_path):
    path = tmp_path / "slide.ome.tif"
    metadata = {f"PhysicalSize{axis}": size for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(path, RGB, photometric="rgb", metadata={"axes": "YXS", **metadata})
    assert image_mpp(path) == (None if expected is None else pytest.approx(expected))


@pytest.mark.data
def test_real_slides_state_their_um_per_px_or_ask(real_data: Path):
    assert open_whole_slide(real_data / "slides" / "CMU-1-Small-Region.svs").mpp == 0.499
    jpeg_2000 = real_data / "slides" / "tcga_jpeg2000.svs"
    assert "--mpp" in message(partial(open_whole_slide, jpeg_2000))
    assert open_whole_slide(jpeg_2000, 0.25).mpp == 0.25


def test_a_broken_slide_is_told_from_one_that_another_thread_opens(slide, tmp_path):
    """Tifffile only logs that the chain of pages is broken, and its log has no thread."""
    cut = tmp_path / "cut.tif"
    with tifffile.TiffFile(slide) as file:
        first = file.pages.first
        end = max(a + n for a, n in zip(first.dataoffsets, first.databytecounts, strict=True))
    cut.write_bytes(slide.read_bytes()[:end])  # the first level whole, the next page cut off
    with ThreadPoolExecutor(1) as pool, tiff.opened(slide):
        said = pool.submit(message, partial(open_slide, cut, 0.5)).result()
    assert "truncated or broken" in said


@pytest.mark.parametrize(
    ("tag", "value"),
    [("ImageWidth", 0), ("ImageLength", 0), ("TileWidth", 0)],
)
def test_a_header_that_makes_no_sense_is_told(tag, value, slide):
    with tifffile.TiffFile(slide, mode="r+b") as file:
        file.pages.first.tags[tag].overwrite(value)
    assert str(slide) in message(partial(open_slide, slide, 0.5))
