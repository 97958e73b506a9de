"""A platform is proven by its array, its lattice and stated sizes; nothing else makes a Visium."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.bins import bin_um_in_name
from histoscribe.io.sections.platform import SpotEvidence, platform_of, refuse_visium_hd
from histoscribe.io.sections.scale_factors import ScaleFactors, scale_factors_of
from histoscribe.io.sections.source import Source

PITCH_PX = 200.0


def visium(rows=20, columns=24):
    """Row and column of a staggered array, and centres 200 px apart, rounded to px."""
    row, column = np.mgrid[:rows, : 2 * columns]
    array = np.column_stack([row.ravel(), column.ravel()]).astype(float)
    array = array[array.sum(axis=1) % 2 == 0]
    xy = array[:, ::-1] * [PITCH_PX / 2, PITCH_PX * np.sqrt(0.75)] + 300
    return array, np.rint(xy)


def square(side=20, step_px=29.2):
    array = np.stack(np.mgrid[:side, :side], axis=-1).reshape(-1, 2).astype(float)
    return array, array[:, ::-1] * step_px + 50


def platform(xy, array=None, diameter_px=None, **factors):
    return platform_of(
        SpotEvidence(
            where="here",
            xy=xy,
            array=array,
            diameter_px=diameter_px,
            factors=ScaleFactors(**factors),
        )
    )


def mpp_of(found, mpp=None, stated=None, believe=None):
    source = Source(section="S", patient="P", kind="h5ad", mpp=mpp, mpp_from=believe)
    return found.resolution(source, stated)[0]


def message(found, **given):
    with pytest.raises(DataContractError) as caught:
        mpp_of(found, **given)
    return str(caught.value)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_a_visium_section_keeps_its_um_per_px_whatever_spots_it_lost(share):
    array, xy = visium()
    kept = np.random.default_rng(0).random(len(xy)) < share
    found = platform(xy[kept], array[kept], 0.65 * PITCH_PX)
    assert mpp_of(found) == pytest.approx(0.5, rel=1e-3)
    spots, _ = found.spots(tuple(map(str, range(kept.sum()))), xy[kept], 0.5)
    assert (spots.pitch_um, spots.diameter_um, spots.shape) == (100.0, 55.0, "circles")


@pytest.mark.parametrize("degrees", [0, 7, 90, 180, 270])
@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("exchanged", [False, True])
def test_turned_mirrored_and_exchanged_arrays_are_the_same_visium(degrees, mirror, exchanged):
    array, xy = visium()
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = xy @ turn * [mirror, 1]
    columns = array[:, ::-1] if exchanged else array
    assert mpp_of(platform(placed, np.ascontiguousarray(columns))) == pytest.approx(0.5, rel=1e-3)


def test_a_few_spots_in_a_wrong_place_do_not_change_the_pitch():
    array, xy = visium()
    xy[[0, 7, 30]] += [[2600, -40], [50, 900], [0, -3000]]
    assert mpp_of(platform(xy, array, 110.0)) == pytest.approx(0.5, rel=1e-3)


def test_without_an_array_a_hexagonal_lattice_needs_a_fitting_diameter():
    _, xy = visium()
    assert mpp_of(platform(xy, diameter_px=0.55 * PITCH_PX)) == pytest.approx(0.5, rel=5e-3)
    assert "Visium (then 0.5004) is not proven" in message(platform(xy))
    assert "Visium (then 0.5004) is not proven" in message(platform(xy, diameter_px=PITCH_PX))


def test_a_thinned_lattice_without_an_array_has_no_pitch():
    _, xy = visium()
    thin = xy[np.random.default_rng(0).random(len(xy)) < 0.1]
    assert "um/px is unknown" in message(platform(thin, diameter_px=110.0))


@pytest.mark.parametrize("width", [0.9, 1.0, 2.2])
def test_a_diameter_that_does_not_fit_stops_unless_um_per_px_is_known(width):
    array, xy = visium()
    found = platform(xy, array, width * PITCH_PX)
    assert "rows and columns of a Visium array, but a spot diameter" in message(found)
    assert mpp_of(found, mpp=0.5) == 0.5
    assert mpp_of(found, stated=0.5) == 0.5
    assert mpp_of(found, believe="pitch") == pytest.approx(0.5, rel=1e-3)


def test_centres_in_px_of_the_small_image_are_told():
    array, xy = visium()
    found = platform(xy * 0.25, array, 110.0, hires=0.25, lowres=0.075)
    assert "it fits if the centres are in px of the hires image (0.25)" in message(found)


def test_centres_in_um_are_told():
    array, xy = visium()
    found = platform(xy * 100.0 / PITCH_PX, array, diameter_px=0.55 * PITCH_PX)
    assert "it fits if the centres are in um, not in px" in message(found)


@pytest.mark.parametrize("step_um", [2.0, 8.0, 16.0, 20.0, 50.0, 100.0])
@pytest.mark.parametrize("has_array", [True, False])
def test_bins_on_a_square_lattice_ask_for_um_per_px_and_are_squares(step_um, has_array):
    array, xy = square()
    found = platform(xy, array if has_array else None, 29.2)
    assert "a square lattice, 29.2 px apart" in message(found)
    spots, _ = found.spots(tuple(map(str, range(len(xy)))), xy, step_um / 29.2)
    assert spots.shape == "squares"
    assert spots.pitch_um == pytest.approx(step_um)
    assert spots.diameter_um == pytest.approx(step_um)


def test_an_array_of_200_um_is_legacy_st_once_its_um_per_px_is_known():
    array, xy = square(step_px=100.0)
    found = platform(xy, array)
    assert "legacy ST (200 um apart, then 2) is not proven" in message(found)
    spots, notes = found.spots(tuple(map(str, range(len(xy)))), xy, mpp_of(found, mpp=2.02))
    assert (spots.pitch_um, spots.diameter_um) == (200.0, 100.0)
    assert "legacy ST" in notes[0]


def test_a_staggered_array_of_squares_is_no_visium():
    array, _ = visium()
    found = platform(array[:, ::-1] * 50.0, array, 0.7 * 50 * np.sqrt(2))
    assert "legacy ST (141.4 um apart, then 2)" in message(found)
    spots, _ = found.spots(tuple(map(str, range(len(array)))), array[:, ::-1] * 50.0, 2.0)
    assert (spots.pitch_um, spots.diameter_um) == (141.4, 100.0)


@pytest.mark.parametrize("wrong", ["odd", "shuffled"])
def test_an_array_that_does_not_fit_proves_nothing(wrong):
    array, xy = visium()
    if wrong == "odd":
        array[:, 1] += 1
    else:
        np.random.default_rng(0).shuffle(array)
    assert "um/px is unknown" in message(platform(xy, array, 110.0))


def test_each_second_row_of_visium_is_visium():
    array, xy = visium()
    kept = array[:, 0] % 2 == 0
    found = platform(xy[kept], array[kept], 0.65 * PITCH_PX)
    assert mpp_of(found) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("xy_of", "pitch_um"),
    [
        (lambda array: array[:, ::-1] * [100.0, 100.0 * np.sqrt(3)], 100.0),
        (lambda array: array[:, ::-1] * 200.0, 100.0 * np.sqrt(2)),
    ],
)
def test_rows_counted_from_one_leave_the_pitch_as_it_is(xy_of, pitch_um):
    array, _ = visium()
    xy = xy_of(array)
    mpp = 0.5
    found = platform(xy, array + np.array([1, 0]), 0.55 * pitch_um / mpp)
    spots, _ = found.spots(tuple(map(str, range(len(xy)))), xy, mpp)
    assert spots.pitch_um == pytest.approx(pitch_um)
    assert spots.diameter_um == pytest.approx(0.55 * pitch_um)


def test_each_second_row_and_column_of_squares_has_the_pitch_between_its_spots():
    array, xy = square()
    spots, _ = platform(xy, 2 * array).spots(tuple(map(str, range(len(xy)))), xy, 1.0)
    assert spots.pitch_um == pytest.approx(29.2)


def test_a_cloud_has_no_pitch():
    xy = np.random.default_rng(0).uniform(0, 4000, (900, 2))
    found = platform(xy, diameter_px=12.0)
    assert "no lattice" in message(found)
    spots, _ = found.spots(tuple(map(str, range(900))), xy, 0.5)
    assert (spots.shape, spots.pitch_um, spots.diameter_um) == ("cells", None, 6.0)
    spots, _ = platform(xy).spots(spots.ids, xy, 0.5)
    assert (spots.shape, spots.pitch_um, spots.diameter_um) == ("cells", None, None)


def test_spots_in_one_place_are_refused_and_rounded_cells_are_not():
    array, xy = visium()
    xy[1] = xy[0]
    with pytest.raises(DataContractError, match="1 of 480 spots lie in the very place of another"):
        platform(xy, array)
    cells = np.random.default_rng(0).uniform(0, 4000, (900, 2))
    cells[1] = cells[0]
    assert platform(cells).lattice is None
    cells[2:30] = cells[0]
    with pytest.raises(DataContractError, match="column `library` of the manifest"):
        platform(cells)


@pytest.mark.parametrize(
    ("barcodes", "factors"),
    [
        (("s_008um_00301_00321-1", "s_008um_00301_00322-1"), {}),
        (("a", "b"), {"bin_size_um": 8.0}),
        (("a", "b"), {"microns_per_pixel": 0.27}),
    ],
)
def test_visium_hd_is_known_by_barcodes_and_factors(barcodes, factors):
    with pytest.raises(DataContractError, match="write `visium_hd` in the column `kind`"):
        refuse_visium_hd("here", barcodes, scale_factors_of(factors))


def test_names_that_only_look_like_bins_are_no_visium_hd():
    names = ("hippos_008um2.h5ad", "sections_12um", "square", "mouse_100um.h5ad")
    assert [bin_um_in_name(name) for name in names] == [None] * 4
    refuse_visium_hd("here", ("AACCGGTT-1", *names), ScaleFactors())
