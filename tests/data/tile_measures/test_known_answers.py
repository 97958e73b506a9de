"""Measures of tiles that were drawn by hand."""

import numpy as np
import pytest

from histoscribe.data.stain_density import stain_density
from histoscribe.data.tile_measures.measures import MEASURES, tile_measures
from tests.data.tile_measures.drawn import GROUND, INK, Ellipse, grid, shown, tissue

NAMES = tuple(measure.name for measure in MEASURES)


def measured(pixels, mpp=0.5, names=NAMES):
    found = tile_measures(pixels[None], mpp, names)
    return dict(zip(found.names, found.values[0].tolist(), strict=True))


@pytest.mark.parametrize(("long_um", "short_um"), [(4.0, 4.0), (5.0, 3.0), (6.0, 2.5)])
def test_nuclei_far_apart_have_their_number_area_and_shape(long_um, short_um):
    of = measured(tissue(grid(5, long_um, short_um)))
    assert of["nuclear_density"] == pytest.approx(25 / 0.08**2)
    assert of["nuclear_area"] == pytest.approx(np.pi * long_um * short_um, rel=0.12)
    eccentricity = np.sqrt(1 - (short_um / long_um) ** 2)
    assert of["nuclear_eccentricity"] == pytest.approx(
        eccentricity, abs=0.2 if eccentricity == 0 else 0.05
    )


def test_area_does_not_depend_on_the_resolution():
    areas = [
        measured(tissue(grid(5, 5.0, 3.5), side_px=round(80 / mpp), mpp=mpp), mpp)["nuclear_area"]
        for mpp in (0.25, 0.5, 0.69)
    ]
    np.testing.assert_allclose(areas, np.pi * 5.0 * 3.5, rtol=0.12)


def test_two_nuclei_that_touch_are_two():
    pair = [Ellipse(34.0, 40.0, 4.0, 4.0), Ellipse(41.0, 40.0, 4.0, 4.0)]
    assert measured(tissue(pair))["nuclear_density"] == pytest.approx(2 / 0.08**2)


def test_a_nucleus_that_the_border_cuts_counts_half_and_has_no_area():
    of = measured(tissue([Ellipse(0.0, 40.0, 4.0, 4.0)]))
    assert of["nuclear_density"] == pytest.approx(0.5 / 0.08**2)
    assert np.isnan(of["nuclear_area"])


def test_what_is_too_large_is_no_nucleus():
    drop_of_ink = Ellipse(40.0, 40.0, 9.5, 9.5)
    assert measured(tissue([drop_of_ink]))["nuclear_density"] == 0


def test_spacing_tells_regular_from_random_and_clustered_nuclei():
    rng = np.random.default_rng(2)
    clumps = (
        rng.uniform(12, 68, (3, 2)).repeat(6, 0)
        + [[0, 0], [6, 0], [0, 6], [6, 6], [12, 0], [0, 12]] * 3
    )
    random = rng.uniform(4, 76, (18, 2))
    spacing = [
        measured(tissue([Ellipse(x, y, 2.5, 2.5) for x, y in places]))["nuclear_spacing"]
        for places in (clumps, random)
    ]
    spacing += [measured(tissue(grid(5, 2.5, 2.5)))["nuclear_spacing"]]
    assert spacing[0] < 0.85 < spacing[1] < 1.3 < 1.5 < spacing[2]


def test_chromatin_that_varies_has_contrast():
    nuclei, rng = grid(4, 6.0, 5.0), np.random.default_rng(0)
    even, coarse = np.full((2, 160, 160), GROUND[0])
    clumps = 0.15 * rng.choice([-1.0, 1.0], (40, 40)).repeat(4, 0).repeat(4, 1)
    for nucleus in nuclei:
        inside = nucleus.inside(160, 0.5)
        even[inside] += INK
        coarse[inside] += INK + clumps[inside]
    eosin = np.full_like(even, GROUND[1])
    contrast = [measured(shown(h, eosin))["chromatin_contrast"] for h in (even, coarse)]
    assert contrast[0] < 0.1
    assert contrast[1] > 2 * contrast[0]


def test_unmixing_gives_back_the_two_stains():
    rng = np.random.default_rng(0)
    haematoxylin, eosin = rng.uniform(0.05, 0.7, (2, 50, 50))
    found = stain_density(shown(haematoxylin, eosin))
    np.testing.assert_allclose(found, np.stack([haematoxylin, eosin], axis=-1), atol=0.02)
    of = measured(shown(haematoxylin, eosin))
    assert of["haematoxylin_density"] == pytest.approx(haematoxylin.mean(), abs=0.005)
    assert of["eosin_density"] == pytest.approx(eosin.mean(), abs=0.005)


def test_white_off_the_tissue_counts_nowhere():
    whole = tissue(grid(4, 5.0, 3.0, side_um=40.0)[:8], side_px=80)
    half = np.full((80, 160, 3), 255, dtype=np.uint8)
    half[:, :80] = whole
    padded = np.concatenate([half, np.full_like(half, 255)])
    names = ("haematoxylin_density", "eosin_density", "darkness", "lumen_share")
    alone, beside = measured(whole, names=names), measured(padded, names=names)
    assert alone == pytest.approx(beside)


def test_holes_are_lumen_or_fat_by_their_walls():
    lumen = tissue(grid(5, 4.0, 3.0))
    hole = Ellipse(40.0, 40.0, 15.0, 10.0).inside(160, 0.5)
    lumen[hole] = 245
    of = measured(lumen)
    assert of["lumen_share"] == pytest.approx(hole.mean(), abs=0.005)
    assert of["fat_share"] == 0
    fat = tissue([])
    place = np.arange(160) % 80
    vacuole = (np.abs(place - 39.5) < 38) & (np.abs(place - 39.5) < 38)[:, None]
    fat[vacuole] = 245
    of = measured(fat)
    assert of["fat_share"] == pytest.approx(vacuole.mean(), abs=0.005)
    assert of["lumen_share"] == 0


def test_glass_at_the_edge_of_the_tissue_is_no_lumen():
    edge = tissue(grid(5, 4.0, 3.0))
    edge[:, 100:] = 245
    edge[:, 120:] = 255
    of = measured(edge)
    assert of["lumen_share"] == of["fat_share"] == 0


def test_coarse_texture_has_the_contrast_of_fine_texture_and_a_higher_correlation():
    rng = np.random.default_rng(0)
    found = []
    for grain_px in (1, 16):
        noise = rng.choice([-0.1, 0.1], (160 // grain_px, 160 // grain_px))
        eosin = 0.4 + noise.repeat(grain_px, 0).repeat(grain_px, 1)
        found.append(measured(shown(np.full((160, 160), 0.1), eosin)))
    fine, coarse = found
    assert abs(fine["texture_correlation"]) < 0.1
    assert coarse["texture_correlation"] > 0.6
    assert fine["darkness"] == pytest.approx(coarse["darkness"], abs=0.01)
    assert coarse["texture_contrast"] < fine["texture_contrast"]


@pytest.mark.parametrize("turn", [1, 2, 3, "mirror"])
def test_turned_and_mirrored_tiles_have_the_same_measures(turn):
    rng = np.random.default_rng(1)
    nuclei = [Ellipse(*rng.uniform(8, 72, 2), 5.0, 3.0, rng.uniform(0, 3)) for _ in range(18)]
    pixels = tissue(nuclei)
    pixels[Ellipse(30.0, 55.0, 12.0, 8.0).inside(160, 0.5)] = 245
    other = pixels[:, ::-1] if turn == "mirror" else np.rot90(pixels, turn)
    first, second = measured(pixels), measured(np.ascontiguousarray(other))
    for name in NAMES:
        assert second[name] == pytest.approx(first[name], rel=0.03), name
