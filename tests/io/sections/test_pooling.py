"""Squares hold what lies in them, counted from the corner of the array."""

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.pooling import pool_of, pool_um_of, pooled
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from histoscribe.io.sections.source import Source

SAME = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Um are px."""


def lattice(n_rows, n_columns, bin_um):
    """Centres of the bins of a whole array, row by row."""
    row, column = np.divmod(np.arange(n_rows * n_columns), n_columns)
    return (np.column_stack([column, row]) + 0.5) * bin_um


def random_counts(n_places, n_genes=5, seed=0):
    counts = np.random.default_rng(seed).poisson(0.4, (n_places, n_genes))
    return sp.csr_matrix(counts.astype(np.int32))


def naive(places_um, counts, pool_um, in_tissue):
    """Sum of each square by a loop."""
    total = {}
    for place, row, is_in in zip(places_um, counts.toarray(), in_tissue, strict=True):
        if is_in:
            key = (int(place[1] // pool_um), int(place[0] // pool_um))
            total[key] = total.get(key, 0) + row
    return total


def source(**facts):
    return Source(section="S1", patient="p", kind="visium_hd", facts=facts)


def test_four_bins_make_a_square_with_their_sum():
    places = lattice(2, 4, 8.0)
    counts = sp.csr_matrix(np.arange(8)[:, None])
    squares = pooled(places, counts, 16.0, None, 8.0, SAME)
    assert squares.spots.ids == ("s_16um_00000_00000", "s_16um_00000_00001")
    assert squares.counts.toarray().ravel().tolist() == [0 + 1 + 4 + 5, 2 + 3 + 6 + 7]
    assert squares.spots.xy.tolist() == [[8.0, 8.0], [24.0, 8.0]]
    assert squares.spots.array.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert (squares.spots.shape, squares.spots.diameter_um, squares.spots.pitch_um) == (
        *("squares", 16.0, 16.0),
    )
    assert squares.notes[0].startswith("pooled: 2 squares of 16 um from 8 bins of 8 um")


@pytest.mark.parametrize(("bin_um", "pool_um"), [(2.0, 55.0), (8.0, 55.0), (8.0, 100.0), (16, 16)])
def test_squares_of_any_size_have_the_sum_of_a_plain_loop(bin_um, pool_um):
    places = lattice(40, 60, float(bin_um))
    in_tissue = np.random.default_rng(1).random(len(places)) < 0.8
    counts = random_counts(len(places))
    squares = pooled(places, counts, float(pool_um), in_tissue, float(bin_um), SAME)
    total = naive(places, counts, pool_um, in_tissue)
    for (row, column), of in zip(squares.spots.array, squares.counts.toarray(), strict=True):
        assert np.array_equal(of, total[int(row), int(column)])


def test_bins_of_the_same_size_stay_as_they_are():
    places, counts = lattice(3, 3, 8.0), random_counts(9)
    squares = pooled(places, counts, 8.0, None, 8.0, SAME)
    assert np.array_equal(squares.counts.toarray(), counts.toarray())
    assert np.array_equal(squares.spots.xy, places)


def test_chunks_give_the_counts_of_the_whole_matrix():
    places, counts = lattice(30, 30, 8.0), random_counts(900)
    whole = pooled(places, counts, 55.0, None, 8.0, SAME)
    chunks = (counts[start : start + 37] for start in range(0, 900, 37))
    cut = pooled(places, chunks, 55.0, None, 8.0, SAME)
    assert (whole.counts != cut.counts).nnz == 0
    assert whole.spots.ids == cut.spots.ids


def test_the_square_of_a_bin_does_not_depend_on_where_tissue_is():
    places, counts = lattice(50, 50, 2.0), random_counts(2500)
    whole = pooled(places, counts, 10.0, None, 2.0, SAME)
    right = pooled(places, counts, 10.0, places[:, 0] > 50, 2.0, SAME)
    row_of = {id_: row for row, id_ in enumerate(whole.spots.ids)}
    rows = [row_of[id_] for id_ in right.spots.ids]
    assert 0 < len(rows) < len(whole.spots)
    assert (whole.counts[rows] != right.counts).nnz == 0


def test_squares_with_less_than_half_of_their_bins_in_tissue_are_left_out_and_counted():
    places = lattice(2, 6, 8.0)
    in_tissue = np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0], dtype=bool)
    squares = pooled(places, random_counts(12), 16.0, in_tissue, 8.0, SAME)
    # 4, 2 and 1 of four bins
    assert squares.spots.array[:, 1].tolist() == [0.0, 1.0]
    assert "left out, with less than half of their bins in tissue: 1 (1 bins)" in squares.notes[0]


def test_a_square_that_the_array_cuts_off_counts_the_bins_that_would_fit():
    # 5 bins of 8 um and squares of 16 um: of the third column, 2 of 4 bins exist
    assert len(pooled(lattice(2, 5, 8.0), random_counts(10), 16.0, None, 8.0, SAME).spots) == 3
    # 9 bins and squares of 32 um: of the third column, 4 of 16
    assert len(pooled(lattice(4, 9, 8.0), random_counts(36), 32.0, None, 8.0, SAME).spots) == 2


def test_bins_outside_tissue_add_nothing():
    places, counts = lattice(2, 4, 8.0), sp.csr_matrix(np.ones((8, 1), dtype=np.int32))
    in_tissue = np.array([1, 1, 1, 1, 1, 0, 1, 1], dtype=bool)
    assert pooled(places, counts, 16.0, in_tissue, 8.0, SAME).counts.sum() == 7


def test_places_without_counts_come_last_and_still_say_where_tissue_is():
    places, counts = lattice(2, 4, 8.0), random_counts(5)
    squares = pooled(places, counts, 16.0, None, 8.0, SAME)
    assert squares.counts.sum() == counts.sum()
    with pytest.raises(ValueError, match="more rows of counts than the 8 places"):
        pooled(places, random_counts(9), 16.0, None, 8.0, SAME)


def test_cells_keep_every_square_with_a_cell():
    places = np.array([[1.0, 1.0], [250.0, 1.0], [251.0, 30.0], [20.0, 320.0]])
    squares = pooled(places, sp.csr_matrix(np.eye(4, dtype=np.int32)), 100.0, None, None, SAME)
    assert squares.spots.array.tolist() == [[0, 0], [0, 2], [3, 0]]
    assert squares.counts.toarray().tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_centres_follow_a_turned_and_mirrored_map():
    to_px = np.array([[0.0, -2.0, 500.0], [-2.0, 0.0, 700.0]])
    squares = pooled(lattice(1, 4, 8.0), random_counts(4), 16.0, None, 8.0, to_px)
    x_um, y_um = 24.0, 8.0
    assert squares.spots.xy[1].tolist() == [500 - 2 * y_um, 700 - 2 * x_um]


def test_uneven_squares_are_told():
    places = lattice(30, 30, 8.0)
    even = pooled(places, random_counts(900), 80.0, None, 8.0, SAME)
    uneven = pooled(places, random_counts(900), 100.0, None, 8.0, SAME)
    assert len(even.notes) == 1
    assert "144 to 169 bins of 8 um" in uneven.notes[1]


def test_a_pool_below_the_bin_or_beyond_the_section_is_refused():
    places, counts = lattice(5, 5, 8.0), random_counts(25)
    with pytest.raises(DataContractError, match=r"bins of 8 um, larger than a square of 5 um"):
        pooled(places, counts, 5.0, None, 8.0, SAME)
    with pytest.raises(DataContractError, match=r"0 squares.*the tissue spans 40 x 40 um"):
        pooled(places, counts, 500.0, None, 8.0, SAME)
    with pytest.raises(DataContractError, match=r"0 squares of 16 um"):
        pooled(places, counts, 16.0, np.zeros(25, dtype=bool), 8.0, SAME)


def test_the_manifest_says_what_is_pooled():
    assert pool_um_of(source()) == 100.0
    assert pool_um_of(source(pool_um="55")) == 55.0
    assert pool_of(source(), ("cells", "transcripts", "none")) == "cells"
    assert pool_of(source(pool="None"), ("bins", "none")) == "none"


@pytest.mark.parametrize("text", ["0", "native", "-8"])
def test_no_number_of_um_means_no_pooling(text):
    with pytest.raises(DataContractError, match="write `none` in the column `pool`"):
        pool_um_of(source(pool_um=text))


def test_another_word_for_the_pool_is_refused():
    with pytest.raises(DataContractError, match="one of bins, none"):
        pool_of(source(pool="cells"), ("bins", "none"))


def test_a_size_of_squares_for_spots_that_stay_is_refused():
    source = Source(section="S", patient="P", kind="spaceranger", facts={"pool_um": "200"})
    with pytest.raises(DataContractError, match="pool_um '200' for kind spaceranger"):
        read_section(source, Filters())
