"""Bags of patients and of blocks, their splits, and folds of sites."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscribe.data.bag_groups import bag_splits, bags_in, block_bags, patient_bags, union
from histoscribe.data.folds import FoldSettings, make_folds
from histoscribe.data.sites import section_sites
from histoscribe.errors import DataContractError
from histoscribe.types import Cohort, CohortEntry
from tests.data.fakes_for_data import fake_section, patients_cohort


def all_rows(cohort):
    return {id_: np.arange(len(cohort[id_].spots)) for id_ in cohort.ids}


@given(n_spots=st.integers(1, 400), block_spots=st.integers(2, 60))
@settings(deadline=None, max_examples=40)
def test_blocks_take_every_spot_once_and_are_of_about_the_size(n_spots, block_spots):
    cohort = patients_cohort({"P": [n_spots]})
    bags = block_bags(cohort, all_rows(cohort), block_spots)
    taken = np.concatenate([bag.rows["P0"] for bag in bags])
    np.testing.assert_array_equal(np.sort(taken), np.arange(n_spots))
    assert len(bags) == max(round(n_spots / block_spots), 1)
    sizes = [len(bag) for bag in bags]
    assert max(sizes) - min(sizes) <= max(2, 0.2 * block_spots)


def test_spots_of_a_block_are_neighbours():
    cohort = patients_cohort({"P": [400]})  # a square of 20 x 20
    (*_,) = bags = block_bags(cohort, all_rows(cohort), 25)
    xy = cohort["P0"].spots.xy
    for bag in bags:
        extent = np.ptp(xy[bag.rows["P0"]], axis=0) / 100.0
        assert extent.max() <= 6, "25 spots lie within 7 x 7"


def test_a_patient_is_one_bag_of_all_slides():
    cohort = patients_cohort({"A": [5, 3], "B": [4]})
    first, second = patient_bags(cohort, all_rows(cohort), {"A": "north"})
    assert (first.name, first.site, len(first)) == ("A", "north", 8)
    assert set(first.rows) == {"A0", "A1"}
    assert (second.name, second.site, len(second)) == ("B", None, 4)


def test_every_patient_without_tiles_is_named():
    cohort = patients_cohort({"A": [5], "B": [4], "C": [2]})
    rows = all_rows(cohort) | {"A0": np.arange(0), "C0": np.arange(0)}
    with pytest.raises(DataContractError) as error:
        patient_bags(cohort, rows, {})
    assert [problem.where for problem in error.value.problems] == ["bag A", "bag C"]


@pytest.mark.parametrize("n_patients", [1, 2, 4, 12, 40])
def test_splits_hold_out_every_bag_once_and_part_no_patient(n_patients):
    cohort = patients_cohort({f"P{i:02d}": [60] for i in range(n_patients)})
    bags = block_bags(cohort, all_rows(cohort), 10)
    splits = bag_splits(bags, None, seed=0)
    held = np.concatenate([bags_in(bags, split.val) for split in splits])
    np.testing.assert_array_equal(np.sort(held), np.arange(len(bags)))
    for split in splits:
        fit, val = bags_in(bags, split.fit), bags_in(bags, split.val)
        assert len(fit) + len(val) == len(bags)
        assert len(val) >= 1
        if n_patients > 1:
            assert not {bags[i].patient for i in fit} & {bags[i].patient for i in val}
    assert len(splits) == (2 if n_patients == 1 else min(5, n_patients))


def test_too_few_bags_have_no_split_and_too_few_patients_no_members():
    cohort = patients_cohort({"A": [4], "B": [4]})
    bags = patient_bags(cohort, all_rows(cohort), {})
    assert bag_splits(bags, None, seed=0) == ()
    assert len(bag_splits(bags, 2, seed=0)) == 2
    with pytest.raises(DataContractError, match="5 members"):
        bag_splits(bags, 5, seed=0)
    assert {k: len(v) for k, v in union(bags).items()} == {"A0": 4, "B0": 4}


def sited(sites):
    """A cohort of one section a patient, with a site each."""
    entries = []
    for i, (patient, site) in enumerate(sites):
        section = fake_section(f"S{i}", patient, np.ones((4, 2), dtype=np.int64))
        facts = {} if site is None else {"site": site}
        entries.append(CohortEntry(section.id, patient, lambda s=section: s, facts))
    return Cohort(entries)


def test_a_site_is_on_one_side():
    cohort = sited([(f"P{i}", f"site-{i % 4}") for i in range(12)])
    folds = make_folds(cohort, FoldSettings(protocol="site", k=2), seed=1)
    tested = []
    for fold in folds:
        sides = [{cohort.facts[s]["site"] for s in side} for side in (fold.train, fold.test)]
        assert not sides[0] & sides[1]
        tested += fold.test
    assert sorted(tested) == sorted(cohort.ids)


def test_sites_come_from_tcga_barcodes_too():
    cohort = sited([("TCGA-AA-0001", None), ("TCGA-AA-0002", None), ("TCGA-A6-0003", None)])
    folds = make_folds(cohort, FoldSettings(protocol="site"), seed=0)
    assert [fold.name for fold in folds] == ["A6", "AA"]


def test_one_line_with_a_site_is_enough_for_a_patient():
    north = ("TCGA-AA-0001", "north")
    for lines in ([north, ("TCGA-AA-0001", None)], [("TCGA-AA-0001", None), north]):
        cohort = sited([*lines, ("P2", "south")])
        assert list(section_sites(cohort).values()) == ["north", "north", "south"]


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ([("P1", "a"), ("P2", "a")], "1 site: a"),
        ([("P1", "a"), ("P2", "b"), ("P3", "c")], "3 sites"),
        ([("P1", "a"), ("P2", None), ("P3", "c")], "no site of 1 of 3 sections"),
        ([("P1", "a"), ("P1", "b"), ("P3", "c")], "2 sites: a, b"),
    ],
)
def test_too_few_missing_and_double_sites_are_refused(sites, words):
    with pytest.raises(DataContractError, match=words):
        make_folds(sited(sites), FoldSettings(protocol="site", k=4), seed=0)
