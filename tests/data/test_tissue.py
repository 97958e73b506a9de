"""Tissue is found whatever lies around it."""

import numpy as np
import pytest

from histoscribe.data.tissue import TissueMask, tissue_mask, tissue_of
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides.resample import Box


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


@pytest.mark.parametrize("ground", ["white", "pink", "black"])
def test_tissue_is_found_on_any_ground(ground, draw_tissue, make_section):
    image, truth = draw_tissue(ground)
    slide = make_section(image).slide
    mask = tissue_mask(slide)
    full = mask.tile((500.0, 500.0), 1000, slide.mpp)
    assert overlap(full, truth) > 0.93


def test_the_mask_of_a_slide_is_made_once_unless_parts_are_lost(draw_tissue, make_section):
    slide = make_section(draw_tissue("white")[0]).slide
    whole = tissue_mask(slide)
    lost = tissue_mask(slide, [Box(0.0, 0.0, 1000.0, 500.0)])
    assert lost.inside.sum() < whole.inside.sum()
    assert tissue_mask(slide) is whole


def test_the_ground_does_not_decide_the_mask(draw_tissue):
    white, pink, black = (
        tissue_of(draw_tissue(ground)[0][::4, ::4], 8.0) for ground in ("white", "pink", "black")
    )
    assert overlap(white, pink) > 0.95
    assert overlap(white, black) > 0.87  # they differ by a rim of 16 um


def test_a_halo_of_eosin_and_specks_of_dust_are_no_tissue(draw_tissue):
    image, truth = draw_tissue("white")
    y, x = np.mgrid[:1000, :1000]
    halo = np.exp(-((x - 850) ** 2 + (y - 500) ** 2) / 150**2)[..., None] * np.array([0, 60, 30])
    image = np.where(truth[..., None], image, (image - halo).clip(0, 255)).astype(np.uint8)
    image[50:56, 50:56] = 40
    assert overlap(tissue_of(image[::4, ::4], 8.0), truth[::4, ::4]) > 0.93


@pytest.mark.parametrize("ground", ["white", "pink", "black"])
@pytest.mark.parametrize(("colour", "is_tissue"), [((190, 110, 130), True), (None, False)])
def test_a_smooth_hole_is_tissue_where_it_is_as_dense(draw_tissue, ground, colour, is_tissue):
    image, truth = draw_tissue(ground)
    y, x = np.mgrid[:1000, :1000] - 500
    hole = np.hypot(x, y) < 120
    image[hole] = image[990, 990].clip(200, None) if colour is None else colour
    found = tissue_of(image[::4, ::4], 8.0)
    assert abs(found[hole[::4, ::4]].mean() - is_tissue) < 0.2
    assert overlap(found, (truth & (~hole | is_tissue))[::4, ::4]) > 0.85


def test_an_image_of_tissue_alone_is_all_tissue(draw_tissue):
    image, _ = draw_tissue("white")
    inside = image[320:680, 320:680]
    assert tissue_of(inside[::4, ::4], 8.0).mean() > 0.97


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_even_image_has_no_tissue(value):
    assert not tissue_of(np.full((60, 80, 3), value, dtype=np.uint8), 8.0).any()


def test_a_tile_reads_the_mask_where_it_lies():
    inside = np.zeros((10, 20), dtype=bool)
    inside[2:5, 12:16] = True
    mask = TissueMask(inside, (8.0, 8.0), mpp=1.0)
    tile = mask.tile((14 * 8.0, 3.5 * 8.0), 64, 1.0)
    rows, columns = np.flatnonzero(tile.any(axis=1)), np.flatnonzero(tile.any(axis=0))
    assert (rows[0], rows[-1] + 1) == (32 - 12, 32 + 12)
    assert (columns[0], columns[-1] + 1) == (32 - 16, 32 + 16)


def test_a_tile_at_half_the_resolution_covers_twice_the_ground():
    inside = np.zeros((10, 20), dtype=bool)
    inside[2:5, 12:16] = True
    mask = TissueMask(inside, (8.0, 8.0), mpp=1.0)
    tile = mask.tile((112.0, 28.0), 64, 2.0)
    assert (tile.any(axis=1).sum(), tile.any(axis=0).sum()) == (12, 16)


def test_a_place_is_on_tissue_where_its_tile_is():
    inside = np.zeros((10, 20), dtype=bool)
    inside[2:5, 12:16] = True
    mask = TissueMask(inside, (8.0, 8.0), mpp=1.0)
    places = np.array([[112.0, 28.0], [95.9, 28.0], [96.1, 16.1], [112.0, 40.1], [160.0, 80.0]])
    assert mask.at(places).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("xy", [(0.0, 0.0), (160.0, 80.0), (0.0, 80.0), (-500.0, 40.0)])
def test_outside_the_slide_is_no_tissue(xy):
    mask = TissueMask(np.ones((10, 20), dtype=bool), (8.0, 8.0), mpp=1.0)
    tile = mask.tile(xy, 32, 1.0)
    assert tile.sum() == (0 if xy[0] < 0 else 16 * 16)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("section", "share"), [("B4", 0.28), ("C3", 0.18)])
def test_real_sections_on_pink_ground_hold_their_spots(section, share, real_data):
    opened = read_cohort("catalog:her2st", sections=[section])[section]
    mask = tissue_mask(opened.slide)
    assert abs(mask.inside.mean() - share) < 0.03
    centre = [mask.tile((float(x), float(y)), 8, 2.0).any() for x, y in opened.spots.xy]
    assert np.mean(centre) > 0.95
