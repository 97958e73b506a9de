"""Where spots lie: what does not fit the image or the array is told, with what fits."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.places import said_spans
from histoscribe.io.sections.qc import Filters, section_of
from histoscribe.io.sections.source import Reading, Source
from histoscribe.io.slides.array import ArraySlide
from histoscribe.types import Counts, Spots

WIDTH, HEIGHT, MPP = 240, 150, 2.0
ARRAY = np.array([(row, column) for row in range(10) for column in range(16)], dtype=np.float64)
"""Row and column; 14 px apart, so that the array fills most of the image."""
XY = ARRAY[:, ::-1] * 14.0 + 10.0
PIXELS = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)


def read(xy, array=None, *, in_tissue=None, scales=(), **facts):
    n = len(xy)
    ids = tuple(f"spot{number}" for number in range(n))
    reading = Reading(
        slide=ArraySlide("he", PIXELS, MPP),
        spots=Spots(ids, np.asarray(xy, dtype=np.float64), 20.0, 28.0),
        in_tissue=np.ones(n, dtype=bool) if in_tissue is None else in_tissue,
        counts=Counts(sp.csr_matrix(np.ones((n, 3), dtype=np.int32)), ("A", "B", "C"), ("A",) * 3),
        count_ids=ids,
        notes=(),
        array=array,
        scales=scales,
    )
    source = Source(section="S", patient="P", kind="st", path=Path("s"), facts=facts)
    return section_of(reading, source, Filters())


def refused(xy, array=None, **rest):
    with pytest.raises(DataContractError) as caught:
        read(xy, array, **rest)
    return str(caught.value)


@pytest.mark.parametrize("array", [None, ARRAY])
def test_spots_on_the_image_are_all_read_without_a_note(array):
    section = read(XY, array)
    assert (len(section.spots), section.dropped, section.notes) == (160, {}, ())


@pytest.mark.parametrize("array", [None, ARRAY])
@pytest.mark.parametrize("n", [1, 3, 16])
def test_a_few_spots_past_the_edge_are_left_out_and_counted(array, n):
    xy = XY.copy()
    xy[-n:, 1] += 30.0
    section = read(xy, array)
    assert section.dropped == {"outside the image": n}
    np.testing.assert_array_equal(section.spots.xy, XY[:-n])
    assert f"{n} spots outside the image were left out, at most 16 px" in section.notes[-1]


@pytest.mark.parametrize("array", [None, ARRAY])
def test_single_spots_far_away_do_not_hide_the_others(array):
    xy = XY.copy()
    xy[[3, 70, 71, 90, 100, 120, 130, 140, 150]] = 1e6 + XY[:9]
    assert read(xy, array).dropped == {"outside the image": 9}


def test_spots_outside_that_are_off_tissue_count_as_off_tissue():
    in_tissue = np.arange(160) < 100
    xy = XY.copy()
    xy[100:, 1] += 100.0
    section = read(xy, ARRAY, in_tissue=in_tissue)
    assert section.dropped == {"in_tissue": 60}


@pytest.mark.parametrize("array", [None, ARRAY], ids=["no array", "array"])
@pytest.mark.parametrize(
    ("words", "xy"),
    [
        ("y negated (-y)", XY * (1, -1)),
        ("x negated (-x)", XY * (-1, 1)),
        ("um for px (divided by 2 um/px)", 2.0 * XY),
    ],
)
def test_the_reading_that_fits_is_named_with_its_numbers(words, xy, array):
    message = refused(xy, array)
    assert words in message
    assert "160 of 160 inside, over 88 % of the width and 84 % of the height" in message
    assert "none is changed in silence" in message


@pytest.mark.parametrize(
    ("xy", "words"),
    [(4.0 * XY, "times 0.25 (hires scale factor)"), (XY / 0.05, "times 0.05 (lowres scale")],
)
def test_px_of_another_image_are_told_by_its_scale_factor(xy, words):
    assert words in refused(xy, ARRAY, scales=(("hires", 0.25), ("lowres", 0.05)))


@pytest.mark.parametrize(("larger", "told"), [(7.0, 6.42), (1.15, 1.05)])
def test_an_image_that_is_too_small_is_told_with_the_size_that_fits(larger, told):
    """Also where most spots lie on it: they would all have the pixels of another place."""
    assert f"They fit an image {told} times as large" in refused(larger * XY)


@pytest.mark.parametrize("array", [None, ARRAY], ids=["no array", "array"])
def test_exchanged_axes_are_told(array):
    message = refused(XY[:, ::-1], array)
    assert "x and y exchanged: 160 of 160 inside" in message
    assert ("x follows the rows and y the columns" in message) == (array is not None)


def test_exchanged_axes_that_stay_on_the_image_are_told_by_the_array():
    near = ARRAY[:, ::-1] * 8.0 + 10.0
    message = refused(near[:, ::-1], ARRAY)
    assert "lie outside" not in message
    assert "It fits with x and y exchanged" in message
    assert len(read(near[:, ::-1]).spots) == 160  # nothing can tell


@pytest.mark.parametrize(
    ("xy", "fit"),
    [
        ((WIDTH, 0) + XY * (-1, 1), "width - x for x"),
        ((0, HEIGHT) + XY * (1, -1), "height - y for y"),
    ],
)
def test_a_mirrored_array_is_asked_about(xy, fit):
    assert f"It fits with {fit}" in refused(xy, ARRAY)
    section = read(xy, ARRAY, mirrored="yes")
    assert len(section.spots) == 160
    assert "mirror image of the array" in section.notes[-1]


def test_mirrored_is_not_believed_of_an_array_that_is_not():
    assert "not mirrored on the image" in refused(XY, ARRAY, mirrored="yes")
    assert "yes, no or nothing" in refused(XY, ARRAY, mirrored="perhaps")
    assert len(read(XY, ARRAY, mirrored="no").spots) == 160


@pytest.mark.parametrize("degrees", [0, 7, 90, 133, 180, 270])
def test_a_turned_array_is_fine(degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    centred = (XY - XY.mean(axis=0)) / 2
    section = read(centred @ turn + (WIDTH / 2, HEIGHT / 2), ARRAY)
    assert (len(section.spots), section.notes) == (160, ())


def test_positions_of_another_array_are_refused():
    shuffled = np.random.default_rng(0).permutation(XY)
    assert "do not follow the rows and columns" in refused(shuffled, ARRAY)


def test_an_array_of_one_line_tells_nothing():
    assert len(read(XY[:16], ARRAY[:16]).spots) == 16


def test_spots_in_a_corner_are_told_with_the_unit_that_fits():
    (note,) = read(XY / 10, ARRAY, scales=(("hires", 0.1),)).notes
    assert "only 8.8 % of the width and 8.4 % of the height" in note
    assert "divided by 0.1 (hires scale factor)" in note


def test_a_share_is_written_in_plain_digits():
    slide = ArraySlide("he", PIXELS, MPP)
    xy = np.array([[0.0, 0.0], [WIDTH, 0.046 * HEIGHT]])
    assert said_spans(xy, slide) == "100 % of the width and 4.6 % of the height"
