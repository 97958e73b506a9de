"""Reinhard's normalisation: a slide ends with the colours of the training slides."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from histoscribe.data.stain import TissueColour, recoloured, reference_colour, tissue_colour
from histoscribe.data.tiles import SlideLook, Tiles
from histoscribe.data.tissue import TissueMask, tissue_mask
from histoscribe.errors import DataContractError

ONE = TissueColour((-0.4, -0.06, 0.004), (0.22, 0.05, 0.007))
TWO = TissueColour((-0.3, -0.09, -0.003), (0.15, 0.03, 0.01))


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def lab(image):
    """The channels of the paper, step by step."""
    lms = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
    long, middle, short = np.moveaxis(np.log10((image + 1.0) / 256 @ lms.T), -1, 0)
    channels = [
        (long + middle + short) / np.sqrt(3),
        (long + middle - 2 * short) / np.sqrt(6),
        (long - middle) / np.sqrt(2),
    ]
    return np.stack(channels, axis=-1)


def whole(slide):
    return TissueMask(np.ones((10, 10), dtype=bool), (slide.width / 10,) * 2, slide.mpp)


def test_a_slide_of_the_reference_colour_keeps_every_pixel():
    image = pixels(50, 40)
    np.testing.assert_array_equal(recoloured(image, ONE, ONE), image)


def test_mean_and_deviation_become_those_of_the_reference():
    image = np.random.default_rng(1).normal((150, 110, 160), 12, (200, 200, 3))
    image = image.clip(0, 255).astype(np.uint8)
    found = lab(image).reshape(-1, 3)
    source = TissueColour(tuple(found.mean(axis=0)), tuple(found.std(axis=0)))
    wanted = TissueColour((-0.5, -0.09, -0.003), (0.1, 0.03, 0.009))
    after = recoloured(image, source, wanted).reshape(-1, 3)
    shown = ((after > 0) & (after < 255)).all(axis=1)  # the rest is cut at what 0-255 can show
    assert shown.mean() > 0.9
    expected = (found - source.mean) / source.deviation * wanted.deviation + wanted.mean
    np.testing.assert_allclose(lab(after)[shown], expected[shown], atol=0.006)


def test_going_there_and_back_gives_the_pixels_again():
    image = np.random.default_rng(1).normal((150, 110, 160), 12, (50, 50, 3)).astype(np.uint8)
    back = recoloured(recoloured(image, ONE, TWO), TWO, ONE)
    assert np.abs(back.astype(int) - image).max() <= 3


def test_a_slide_with_next_to_no_colour_of_its_own_is_cut_not_turned_black():
    flat = TissueColour((-0.3, 0.0, 0.0), (0.0011, 0.0011, 0.0011))
    wide = TissueColour((-0.3, 0.0, 0.0), (0.3, 0.05, 0.04))
    greys = np.array([[0] * 3, [100] * 3, [250] * 3, [255] * 3], dtype=np.uint8)
    after = recoloured(greys, flat, wide).astype(int)
    assert (after[0] == 0).all()
    assert (after[2:].max(axis=1) == 255).all()
    assert (np.diff(after.sum(axis=1)) >= 0).all()


def test_the_colour_of_a_slide_is_that_of_its_tissue(draw_tissue, make_section):
    found = []
    for ground in ("white", "pink"):
        image, inside = draw_tissue(ground, side_px=620)
        slide = make_section(image, mpp=8.0, name=ground).slide
        mask = TissueMask(inside, (1.0, 1.0), slide.mpp)
        colour = tissue_colour(slide, mask)
        expected = lab(image[inside])
        np.testing.assert_allclose(colour.mean, expected.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(colour.deviation, expected.std(axis=0), atol=1e-5)
        found.append(colour)
    np.testing.assert_allclose(found[0].mean, found[1].mean, atol=1e-3)


def test_a_coarser_mask_that_was_given_says_what_is_tissue(draw_tissue, make_section):
    slide = make_section(draw_tissue()[0], mpp=8.0).slide
    fine = np.zeros((1000, 1000), dtype=bool)
    fine[400:600, 300:600] = True
    coarse = fine[::100, ::100]
    assert tissue_colour(slide, TissueMask(fine, (1.0, 1.0), 8.0)) == tissue_colour(
        slide, TissueMask(coarse, (100.0, 100.0), 8.0)
    )


def test_patients_count_the_same_and_so_do_their_sections():
    many = [("A", ONE)] * 5 + [("B", TWO)]
    few = reference_colour([("B", TWO), ("A", ONE)])
    assert reference_colour(many) == few
    np.testing.assert_allclose(few.mean, np.mean([ONE.mean, TWO.mean], axis=0), atol=1e-6)
    variance = np.mean([np.square(ONE.deviation), np.square(TWO.deviation)], axis=0)
    np.testing.assert_allclose(few.deviation, np.sqrt(variance), atol=1e-6)


def test_a_grey_slide_and_one_without_tissue_are_refused(draw_tissue, make_section):
    image, _ = draw_tissue()
    grey = np.repeat(image[..., :1], 3, axis=2)
    slide = make_section(grey).slide
    with pytest.raises(DataContractError, match=r"slide one\.png: a grey image"):
        tissue_colour(slide, whole(slide))
    with pytest.raises(DataContractError, match="no tissue"):
        tissue_colour(slide, TissueMask(np.zeros((10, 10), dtype=bool), (100.0, 100.0), 2.0))


def test_json_and_back_is_the_same_colour():
    assert TissueColour.from_json(json.loads(json.dumps(asdict(TWO)))) == TWO


@pytest.mark.parametrize("white_off_tissue", [True, False])
def test_tissue_is_normalised_and_the_ground_is_not(draw_tissue, make_section, white_off_tissue):
    image, inside = draw_tissue("pink")
    section = make_section(image)
    tiles = Tiles(1000, 2.0, white_off_tissue=white_off_tissue, stain=TWO)
    mask = TissueMask(inside, (1.0, 1.0), 2.0)
    slide_look = tiles.slide_look(section.slide, mask)
    tile = tiles.read(section.slide, slide_look, (500.0, 500.0))
    expected = recoloured(image, tissue_colour(section.slide, mask), TWO)
    np.testing.assert_array_equal(tile[inside], expected[inside])
    ground = np.full_like(image, 255) if white_off_tissue else image
    np.testing.assert_array_equal(tile[~inside], ground[~inside])


def test_normalised_slides_of_two_scanners_look_alike(draw_tissue, make_section):
    image, _ = draw_tissue("white", side_px=620)
    paler = (255 * (image / 255.0) ** (0.8, 0.6, 0.7)).astype(np.uint8)
    means = {}
    for stain in (None, TWO):
        tiles = Tiles(64, 2.0, stain=stain)
        means[stain] = []
        for name, picture in (("one", image), ("paler", paler)):
            slide = make_section(picture, name=name).slide
            tile = tiles.read(slide, tiles.slide_look(slide), (310.0, 310.0))
            means[stain].append(tile.mean(axis=(0, 1)))
    before, after = (np.abs(np.subtract(*pair)).max() for pair in means.values())
    assert before > 20
    assert after < 5


def test_a_look_without_colour_is_not_taken_for_one_with_it(draw_tissue, make_section):
    slide = make_section(draw_tissue()[0]).slide
    with pytest.raises(ValueError, match="normalise its tiles"):
        Tiles(64, 2.0, stain=TWO).read(slide, SlideLook(tissue_mask(slide)), (500.0, 500.0))


def test_the_identity_of_tiles_names_the_reference_and_is_as_ever_without_one():
    plain = Tiles(64, 2.0)
    assert plain.identity == "64px/2.0um/white-off-tissue-3"
    identities = {Tiles(64, 2.0, stain=colour).identity for colour in (None, ONE, TWO)}
    assert len(identities) == 3
    assert repr(TWO.mean[1]) in Tiles(64, 2.0, stain=TWO).identity
