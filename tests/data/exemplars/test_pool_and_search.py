"""Exemplar retrieval: nobody sees their own patient, and the answer is that of brute force."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscribe.data.exemplars.pool import ExemplarPool, check_exclusion, check_queries, pool_sizes
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.items.spots import SpotQueries
from histoscribe.errors import DataContractError
from histoscribe.types import SpotKeys

ENCODER = "some-net/default/none"
DISTANCES = ("l2", "l1", "cosine")


def cohort(spots_of, seed=0, width=6, levels=None):
    """A pool with so many spots in section `s` of patient `p`, for each (p, s, n) given.

    With `levels`, features are small whole numbers: many distances are exactly equal.
    """
    rng = np.random.default_rng(seed)
    names = [(p, s, f"{spot}") for p, s, n in spots_of for spot in range(n)]
    shape = (len(names), width)
    feature = rng.normal(size=shape) if levels is None else rng.integers(1, levels + 1, shape)
    patient, section, spot = zip(*names, strict=True)
    target = np.arange(len(names), dtype=np.float32)[:, None]
    keys = SpotKeys.of_names(section, patient, spot)
    return ExemplarPool(feature.astype(np.float32), target, keys, ENCODER)


def asking(pool, feature=None):
    """Every spot of a pool as a query."""
    feature = pool.feature if feature is None else feature
    return SpotQueries(feature, pool.keys, pool.encoder)


def strangers(pool):
    """Every spot of a pool as a query, of no patient that anybody knows."""
    keys = pool.keys
    unknown = SpotKeys.of_names(keys.section_names, len(keys) * (None,), keys.spot)
    return SpotQueries(pool.feature, unknown, pool.encoder)


def names(keys, exclusion):
    return keys.patient_names if exclusion == "patient" else keys.section_names


def brute_force(pool, queries, n, exclusion, distance):
    """The definition, in NumPy: sort everything that is eligible by distance, ties by row."""
    rows, apart = [], []
    for query in range(len(queries)):
        x, y = pool.feature.astype(float), queries.feature[query].astype(float)
        if distance == "cosine":
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            y /= np.linalg.norm(y)
            # rounded as a feature is, so that parallel ones are equally near
            far = ((x.astype(np.float32).astype(float) - y.astype(np.float32)) ** 2).sum(axis=1) / 2
        else:
            far = (np.abs(x - y) ** (2 if distance == "l2" else 1)).sum(axis=1)
        own = names(queries.keys, exclusion)[query]
        far[names(pool.keys, exclusion) == own] = np.inf
        norm = 1 if distance == "l1" else 2
        lengths = np.linalg.norm(x, norm, axis=1) + np.linalg.norm(y, norm)
        plain = {"l2": np.sqrt(far), "l1": far, "cosine": np.sqrt(2 * far)}[distance]
        nearest = ties_by_row(plain, 2.0**-24 * lengths, x.shape[1])[:n]
        rows.append(nearest)
        apart.append(np.sqrt(far[nearest]) if distance == "l2" else far[nearest])
    return np.array(rows), np.array(apart, dtype=np.float32)


def ties_by_row(far, unit, width):
    """Rows from near to far; what 8 units of rounding can swap is chained and sorted."""
    far = np.where(far <= 64 * unit, 0.0, far)
    slack = unit * min(1.0, 8 / np.sqrt(width))
    order = np.argsort(far, kind="stable")[: min(500, np.isfinite(far).sum())].tolist()
    chains = [[order[0]]]
    for last, row in pairwise(order):
        if far[row] - far[last] <= slack[row] + slack[last]:
            chains[-1].append(row)
        else:
            chains.append([row])
    return np.array([row for chain in chains for row in sorted(chain)])


cohorts = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.integers(0, 2), st.integers(1, 12)),
    min_size=2,
    max_size=8,
    unique_by=lambda given: given[:2],
).map(lambda drawn: [(p, f"{p}{s}", n) for p, s, n in drawn])


@settings(max_examples=60, deadline=None)
@given(
    spots_of=cohorts,
    seed=st.integers(0, 99),
    distance=st.sampled_from(DISTANCES),
    exclusion=st.sampled_from(("patient", "section")),
    levels=st.sampled_from((None, 2)),
    block_bytes=st.sampled_from((1, 300, 1 << 27)),
)
def test_no_exemplar_shares_what_is_excluded_and_all_are_those_of_brute_force(
    spots_of, seed, distance, exclusion, levels, block_bytes
):
    pool = cohort(spots_of, seed, levels=levels)
    queries = asking(pool)
    least = min(pool_sizes(pool, queries.keys, exclusion).values())
    search = ExemplarSearch(pool, distance, block_bytes=block_bytes)
    if least == 0:
        with pytest.raises(DataContractError, match="0 training spots of other"):
            search.nearest(queries, 1, exclusion)
        return
    n = min(least, 4)
    found = search.nearest(queries, n, exclusion)
    whose = names(pool.keys, exclusion)
    for query, rows in enumerate(found.rows):
        assert all(whose[row] != whose[query] for row in rows)
    rows, apart = brute_force(pool, queries, n, exclusion, distance)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distance, apart, rtol=1e-6, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(spots_of=cohorts, seed=st.integers(0, 99), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_cohort_changes_nothing(spots_of, seed, shuffle):
    pool = cohort(spots_of, seed, levels=2)
    order = list(range(len(pool)))
    shuffle.shuffle(order)
    mixed = ExemplarPool(
        pool.feature[order], pool.target[order], pool.keys.take(np.array(order)), pool.encoder
    )
    assert mixed.keys.same_spots(pool.keys)
    np.testing.assert_array_equal(mixed.target, pool.target)
    stranger = strangers(pool)
    for drawn in (
        lambda held: ExemplarSearch(held).nearest(stranger, 1, "patient"),
        lambda held: ExemplarSearch(held).random(stranger, 1, "patient", seed=seed),
    ):
        np.testing.assert_array_equal(drawn(mixed).rows, drawn(pool).rows)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_large_pool_gives_the_exemplars_of_brute_force(distance, offset):
    # enough columns for the pass over minima; far from the origin a product loses most digits
    pool = cohort([(p, f"{p}1", 1500) for p in "ABCD"], width=24)
    pool = replace(pool, feature=(0.1 * pool.feature + np.float32(offset)).astype(np.float32))
    rows = np.arange(0, len(pool), 150)
    queries = SpotQueries(pool.feature[rows], pool.keys.take(rows), ENCODER)
    expected, apart = brute_force(pool, queries, 9, "patient", distance)
    for block_bytes in (1 << 16, 1 << 27):
        found = ExemplarSearch(pool, distance, block_bytes=block_bytes).nearest(
            queries, 9, "patient"
        )
        np.testing.assert_array_equal(found.rows, expected)
        np.testing.assert_allclose(found.distance, apart, rtol=1e-6)


def test_distances_far_below_the_digits_of_a_product_are_told_apart():
    pool = cohort([("A", "A1", 400), ("B", "B1", 40)], width=4)
    # patient A's spots lie 2^-5 apart in one coordinate, and their squares are of millions
    step = np.float32(2.0**-5)
    feature = np.full_like(pool.feature, 1000.0)
    feature[:400, 0] += step * np.random.default_rng(1).permutation(400)
    feature[400:] *= -1
    pool = replace(pool, feature=feature)
    keys = SpotKeys.of_section("slide", None, ["0"])
    queries = SpotQueries(np.full((1, 4), 1000.0, dtype=np.float32), keys, ENCODER)
    found = ExemplarSearch(pool).nearest(queries, 9, "patient")
    np.testing.assert_array_equal(found.distance[0], step * np.arange(9, dtype=np.float32))


def test_equal_exemplars_come_in_the_order_of_patient_section_and_spot():
    pool = cohort([("B", "B1", 30), ("A", "A2", 30), ("A", "A1", 30)])
    pool = replace(pool, feature=np.ones_like(pool.feature))
    found = ExemplarSearch(pool).nearest(asking(pool), 30, "patient")
    of_b = np.flatnonzero(pool.keys.patient_names == "B")
    np.testing.assert_array_equal(found.rows[of_b], np.tile(np.arange(30), (30, 1)))
    assert set(pool.keys.section_names[found.rows[of_b[0]]]) == {"A1"}
    assert (found.distance == 0).all()


def test_a_query_does_not_depend_on_the_others():
    pool = cohort([("A", "A1", 60), ("B", "B1", 60), ("C", "C1", 60)], levels=2)
    whole, search = asking(pool), ExemplarSearch(pool)
    for method in (search.nearest, lambda *given: search.random(*given, seed=3)):
        together = method(whole, 5, "patient")
        for query in (0, 77, 179):
            own = whole.keys.take(np.array([query]))
            one = SpotQueries(whole.feature[[query]], own, ENCODER)
            np.testing.assert_array_equal(method(one, 5, "patient").rows[0], together.rows[query])


def test_threads_that_share_a_search_find_what_one_finds():
    pool = cohort([("A", "a1", 2000), ("B", "b1", 2000)], width=256)
    search, rng = ExemplarSearch(pool), np.random.default_rng(3)
    keys = SpotKeys.of_section("new", None, [str(row) for row in range(16)])
    features = rng.normal(size=(100, 16, 256)).astype(np.float32)
    wanted = [SpotQueries(feature, keys, ENCODER) for feature in features]

    def rows(queries):
        return search.nearest(queries, 9, "patient").rows

    alone = [rows(queries) for queries in wanted]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(rows, wanted))
    np.testing.assert_array_equal(together, alone)


def test_an_unknown_patient_excludes_nothing():
    pool = cohort([("A", "A1", 5), ("B", "B1", 5)])
    found = ExemplarSearch(pool).nearest(strangers(pool), 1, "patient")
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(10))
    assert (found.distance == 0).all()


def test_more_exemplars_begin_with_the_fewer():
    pool = cohort([("A", "A1", 80), ("B", "B1", 80)])
    search = ExemplarSearch(pool)
    nine, fifteen = (search.nearest(asking(pool), n, "patient").rows for n in (9, 15))
    np.testing.assert_array_equal(fifteen[:, :9], nine)


def test_random_exemplars_obey_the_exclusion_differ_by_seed_and_do_not_look_alike():
    pool = cohort([("A", "A1", 200), ("B", "B1", 200), ("C", "C1", 200)])
    search, queries = ExemplarSearch(pool), asking(pool)
    drawn = search.random(queries, 9, "patient", seed=0)
    again = search.random(queries, 9, "patient", seed=0)
    other = search.random(queries, 9, "patient", seed=1)
    np.testing.assert_array_equal(drawn.rows, again.rows)
    assert (drawn.rows != other.rows).mean() > 0.9
    assert all(len(set(rows)) == 9 for rows in drawn.rows.tolist())
    own = pool.keys.patient_names
    assert (own[drawn.rows] != own[:, None]).all()
    nearest = search.nearest(queries, 9, "patient")
    assert drawn.distance.mean() > 1.5 * nearest.distance.mean()
    assert (np.diff(drawn.distance, axis=1) >= -1e-6).all()  # ties come in the order of rows
    # every eligible spot has the same chance: 5400 draws over 600 spots
    assert np.bincount(drawn.rows.ravel(), minlength=600).max() < 30


def test_a_setting_of_torch_for_faster_products_changes_nothing():
    pool = cohort([("A", "A1", 100), ("B", "B1", 100)])
    before = ExemplarSearch(pool).nearest(asking(pool), 9, "patient")
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            after = ExemplarSearch(pool).nearest(asking(pool), 9, "patient")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(after.rows, before.rows)


def test_pool_sizes_count_the_other_patients():
    pool = cohort([("A", "A1", 1000), ("A", "A2", 200), ("B", "B1", 30)])
    asked = SpotKeys.of_names(["A1", "B1", "slide", "Z1"], ["A", "B", None, "Z"], list("0000"))
    sizes = pool_sizes(pool, asked, "patient")
    assert sizes == {"A": 30, "B": 1200, "Z": 1230, "unknown patient": 1230}
    sizes = pool_sizes(pool, SpotKeys.of_names(["A1", "A2"], ["A", "A"], ["0", "0"]), "section")
    assert sizes == {"A1": 230, "A2": 1030}


def test_too_few_eligible_exemplars_are_counted_for_each_patient_with_the_remedy():
    pool = cohort([("A", "A1", 20), ("B", "B1", 3), ("C", "C1", 2)])
    with pytest.raises(DataContractError) as raised:
        ExemplarSearch(pool).nearest(asking(pool), 9, "patient")
    (problem,) = raised.value.problems
    assert problem.where == "exemplars of patient A"
    assert problem.found == "5 training spots of other patients"
    assert "exemplars.n = 9" in problem.expected
    assert "set exemplars.n to 5 or less" in problem.remedy
    with pytest.raises(DataContractError) as raised:
        check_queries(pool, asking(pool), 23, "patient")
    assert len(raised.value.problems) == 2


def test_training_by_one_patient_asks_for_section_by_name():
    with pytest.raises(DataContractError, match='training_exclusion = "section"') as raised:
        check_exclusion({"C1": "C", "C2": "C"}, "patient", "fold B")
    assert "retrieval shift" in str(raised.value)
    check_exclusion({"C1": "C", "C2": "C"}, "section", "fold B")
    check_exclusion({"A1": "A", "C2": "C"}, "patient", "fold B")


@pytest.mark.parametrize("exclusion", ["patient", "section"])
def test_a_single_training_section_is_refused(exclusion):
    with pytest.raises(DataContractError, match="1 training section: no other") as raised:
        check_exclusion({"C1": "C"}, exclusion, "fold B")
    assert "fold B" in str(raised.value)


def test_features_of_another_encoder_or_width_are_refused():
    pool = cohort([("A", "A1", 20), ("B", "B1", 20)])
    keys = SpotKeys.of_section("A1", "A", ["0"])
    queries = SpotQueries(np.ones((1, 5), dtype=np.float32), keys, "another/default/none")
    with pytest.raises(DataContractError) as raised:
        ExemplarSearch(pool).nearest(queries, 9, "patient")
    assert len(raised.value.problems) == 2
    assert "another/default/none" in str(raised.value)
    assert "queries of 5 features a spot\n  expected: 6 features" in str(raised.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_features_that_are_no_numbers_are_refused_with_their_count(bad):
    pool = cohort([("A", "A1", 4), ("B", "B1", 4)])
    feature = pool.feature.copy()
    feature[2, 1] = bad
    search = ExemplarSearch(pool)
    for use in (
        lambda: replace(pool, feature=feature),
        lambda: search.nearest(asking(pool, feature), 1, "patient"),
    ):
        with pytest.raises(DataContractError, match="1 of 8 rows hold a NaN"):
            use()


def test_zeros_have_no_direction_for_cosine_and_a_distance_otherwise():
    pool = cohort([("A", "A1", 4), ("B", "B1", 4)])
    pool = replace(pool, feature=np.zeros_like(pool.feature))
    with pytest.raises(DataContractError, match="8 rows of zeros"):
        ExemplarSearch(pool, "cosine")
    assert ExemplarSearch(pool).nearest(asking(pool), 4, "patient").distance.max() == 0


def test_a_pool_without_spots_or_with_a_spot_twice_is_refused():
    pool = cohort([("A", "A1", 4), ("B", "B1", 4)])
    twice = pool.keys.take(np.array([0, 0, 2, 3, 4, 5, 6, 7]))
    with pytest.raises(DataContractError, match="1 spots are repeated"):
        replace(pool, keys=twice)
    nothing = pool.keys.take(slice(0))
    with pytest.raises(DataContractError, match="no training spot"):
        ExemplarPool(pool.feature[:0], pool.target[:0], nothing, ENCODER)


def test_a_query_wants_one_exemplar_at_least():
    pool = cohort([("A", "A1", 4), ("B", "B1", 4)])
    with pytest.raises(ValueError, match="at least 1"):
        ExemplarSearch(pool).nearest(asking(pool), 0, "patient")
