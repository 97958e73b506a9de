"""Names of spots: matched where they fit once, told how, refused where they fit twice."""

from functools import partial

import numpy as np
import pytest

from histoscribe.io.sections.spot_names import fit_barcodes, fit_places

CORES = ("AAAC", "AAGT", "CCGA")


@pytest.mark.parametrize("of_spots", ["{}", "{}-1", "{}_1", "S1_{}-1"])
@pytest.mark.parametrize("of_names", ["{}", "{}-1", "{}.1", "{}-1_1", "S1_{}", "GSM7:S1_{}-1"])
def test_barcodes_that_differ_by_what_all_have_fit_once(of_spots, of_names):
    spots = [of_spots.format(core) for core in CORES]
    fit = fit_barcodes([of_names.format(core) for core in ("CCGA", "AAAC")], spots)
    assert (fit.ids, fit.n, fit.problem) == ((spots[2], spots[0]), 2, None)
    assert bool(fit.notes) == (of_spots != of_names)


def test_what_was_cut_from_barcodes_is_told():
    fit = fit_barcodes([f"S1_{core}.1" for core in CORES], [f"{core}-1" for core in CORES])
    assert fit.notes == (
        "barcodes match without `S1_` in front and `.1` behind in the counts and `-1` behind in "
        "the positions",
    )


@pytest.mark.parametrize(
    "names",
    [
        ("AAAC-1", "AAAC-2", "CCGA-1"),  # two libraries: what is cut is not the same
        ("S1_AAAC", "S2_AAGT", "S1_CCGA"),
        ("TTTT-1", "TTTA-1", "TTTC-1"),
        ("ACTB", "TP53", "MT-CO1"),
        ("-1", "-1"),
        ("A",),
        (),
    ],
)
def test_other_names_fit_no_spot(names):
    fit = fit_barcodes(names, CORES)
    assert (fit.ids, fit.n) == (tuple(names), 0)


def test_a_few_equal_names_are_no_proof_of_another_reading():
    names = ["S1_AAAC", *(f"S1_TT{n}" for n in range(9))]
    assert fit_barcodes(names, [*CORES, *(f"GG{n}" for n in range(9))]).n == 0


SPOTS = ("17x9", "18x9", "17x10", "5x12")
PRINTED = np.array([[17.002, 8.987], [17.9, 9.11], [16.8, 10.2], [5.0, 12.0]])
fit = partial(fit_places, spots=SPOTS, printed=PRINTED)


@pytest.mark.parametrize("name", ["{}x{}", "X{}x{}", "S1_{}x{}", "{}x{}_1", "1_X{}x{}"])
def test_printed_places_are_spots_of_the_table(name):
    """18.46 is nearer to 18 than to 19 by its printed place only."""
    names = [name.format("17.002", "8.987"), name.format("17.90", "9.11"), name.format("30.1", "9")]
    found = fit(names)
    assert found.ids == ("17x9", "18x9", names[2])
    assert found.n == 2
    assert found.notes[-1].endswith("matched by new_x, new_y")


def test_whole_places_are_the_ids_of_spots():
    found = fit(("17x9", "5x12", "40x2"))
    assert (found.ids, found.n, found.notes) == (("17x9", "5x12", "40x2"), 2, ())


def test_places_of_another_measurement_go_to_the_nearest_whole_position():
    found = fit(("16.92x9.015", "18.06x8.8", "17.46x9.9"))
    assert found.ids == ("17x9", "18x9", "17.46x9.9")  # the last lies between two positions
    assert found.notes[-1].endswith("matched by the nearest whole position")


def test_two_places_of_one_spot_are_told():
    assert fit(("16.92x9.015", "17.1x9.1")).problem == "2 names of 1 spots: 16.92x9.015, 17.1x9.1"


def test_decimal_commas_in_places_are_read():
    assert fit(("17,002x8,987", "5,001x11,998")).ids == ("17x9", "5x12")


def test_places_of_two_samples_fit_no_spot():
    assert fit(("S1_17x9", "S2_18x9")).n == 0
