"""Tiles show the tissue around their spot, and nothing that names the patient."""

import numpy as np
import pytest
import torch

from histoscribe.data.grid import lay_grid
from histoscribe.data.tiles import Tiles, grid_order, tile_batches, tile_reader
from histoscribe.errors import DataContractError
from histoscribe.types import Section
from tests.io.slides.counted import CountedSlide


def read_all(section, tiles, order, size=7):
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    read = np.concatenate([batch.numpy() for batch in tile_batches(section, tiles, batches)])
    out = np.empty_like(read)
    out[order] = read
    return out


def test_batches_return_every_tile_to_its_spot(draw_tissue, make_section):
    section = make_section(draw_tissue()[0])
    tiles = Tiles(32, 4.0, white_off_tissue=False)
    found = read_all(section, tiles, grid_order(section.spots, section.slide.mpp))
    for spot, (x, y) in enumerate(section.spots.xy):
        expected = section.slide.read((x, y), 32, 4.0)
        assert np.array_equal(found[spot].transpose(1, 2, 0), expected)


def test_off_tissue_pixels_are_white_and_tissue_is_untouched(draw_tissue, make_section):
    image, inside = draw_tissue("pink")
    section = make_section(image)
    tiles = Tiles(1000, 2.0)
    tile = tiles.read(section.slide, tiles.slide_look(section.slide), (500.0, 500.0))
    white = (tile == 255).all(axis=2)
    assert white[~inside].mean() > 0.95
    assert not white[inside].mean() > 0.02
    assert np.array_equal(tile[~white], image[~white])


def test_the_ground_is_gone_from_the_tiles(draw_tissue, make_section):
    tiles = Tiles(64, 2.0)
    mean = {}
    for ground in ("white", "pink"):
        section = make_section(draw_tissue(ground)[0], name=ground)
        order = grid_order(section.spots, section.slide.mpp)
        mean[ground] = read_all(section, tiles, order).mean(axis=(1, 2, 3))
    assert np.abs(mean["white"] - mean["pink"]).mean() < 1.0


def test_grid_order_keeps_near_spots_together_whatever_their_order(draw_tissue, make_section):
    section = make_section(draw_tissue()[0])
    order = grid_order(section.spots, section.slide.mpp)
    assert sorted(order) == list(range(len(section.spots)))
    xy = section.spots.xy
    steps = np.linalg.norm(np.diff(xy[order], axis=0), axis=1)
    assert steps.mean() < 0.5 * np.linalg.norm(np.diff(xy, axis=0), axis=1).mean()


@pytest.mark.parametrize("mpp", [2.0, 3.0])
def test_tiles_that_overlap_many_times_are_the_same_and_read_each_pixel_once(draw_tissue, mpp):
    slide = CountedSlide(draw_tissue()[0], mpp=2.0)
    tiles = Tiles(32, mpp)
    look = tiles.slide_look(slide)
    grid = lay_grid(slide, look.mask, 8.0)
    grid = grid.take(np.arange(len(grid)) < 320)
    section = Section("one", None, slide, grid.spots, None)
    rows = np.arange(len(grid))
    images, most = [], []
    for in_grid_order in (False, True):
        slide.n_reads[:] = 0
        read = tile_reader(section, tiles, look, in_grid_order=in_grid_order)
        images.append(torch.cat([read(part) for part in np.array_split(rows, 20)]))
        most.append(slide.n_reads.max())
    assert torch.equal(*images)
    assert most[0] > 20
    assert most[1] == 1


def test_tiles_side_by_side_are_read_from_the_slide_itself(draw_tissue):
    slide = CountedSlide(draw_tissue()[0], mpp=2.0)
    tiles = Tiles(56, 2.0)
    look = tiles.slide_look(slide)
    section = Section("one", None, slide, lay_grid(slide, look.mask, 100.0).spots, None)
    slide.n_reads[:] = 0
    tile_reader(section, tiles, look, in_grid_order=True)(np.array([0]))
    assert slide.n_reads.sum() == 56 * 56


def test_a_slide_coarser_than_the_tiles_is_refused_with_a_way_out(draw_tissue, make_section):
    section = make_section(draw_tissue()[0])
    with pytest.raises(DataContractError, match=r"2 um/px.*\n.*0.5 um/px.*\n.*56 px at 2 um/px"):
        Tiles(224, 0.5).check(section)
    Tiles(224, 1.99).check(section)


@pytest.mark.parametrize(("side_px", "mpp"), [(0, 1.0), (32, 0.0), (32, float("nan"))])
def test_a_tile_without_size_is_refused(side_px, mpp):
    with pytest.raises(ValueError, match="above 0"):
        Tiles(side_px, mpp)
