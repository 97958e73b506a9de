"""The parts of `levels`: bins, trends, likeness, permutations, and scores of readers."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from histoscribe.explain.levels.bins import N_BINS, LevelBins
from histoscribe.explain.levels.choice import one_by_one
from histoscribe.explain.levels.likeness import Likeness
from histoscribe.explain.levels.permutations import permuted_labels
from histoscribe.explain.levels.results import Permuted
from histoscribe.explain.levels.scores import aurocs, permuted_sides, weighted_kappa
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.explain.levels.trends import trends
from tests.explain.levels.planted_levels import planted_section

RNG = np.random.default_rng(0)


def test_one_extreme_value_does_not_empty_the_bins():
    values = np.append(RNG.normal(size=1000), 1e6)
    counts = np.bincount(LevelBins.over(values).of(values), minlength=N_BINS)
    assert counts.sum() == 1001
    assert (counts > 0).all()


def test_equal_values_have_no_levels():
    with pytest.raises(ValueError, match="no levels"):
        LevelBins.over(np.append(np.zeros(1000), 5.0))


def test_a_trend_is_the_rank_correlation_in_each_group_without_undefined_values():
    level, values = RNG.integers(0, 7, (2, 40)), RNG.normal(size=(40, 2))
    values[3, 1] = np.nan
    group = np.repeat([0, 1], 20)
    found = trends(level, values, group)
    assert found.shape == (2, 2, 2)
    expected = spearmanr(level[1, 20:], values[20:, 0]).statistic
    assert found[1, 1, 0] == pytest.approx(expected)
    known = np.delete(np.arange(20), 3)
    near = spearmanr(level[0, known], values[known, 1]).statistic
    assert found[0, 0, 1] == pytest.approx(near, abs=0.02)  # levels are ranked among all tiles


def test_a_trend_of_equal_levels_or_values_is_undefined():
    values = np.column_stack([np.arange(5.0), np.zeros(5)])
    group = np.zeros(5, dtype=np.int64)
    found = trends(np.array([[2] * 5, [0, 1, 2, 3, 4]]), values, group)
    assert np.isnan(found[0, 0]).all()
    assert found[0, 1, 0] == pytest.approx(1.0)
    assert np.isnan(found[0, 1, 1])


def test_pairs_of_one_patient_do_not_count():
    patient, level = np.array([0, 0, 1, 1, 2]), np.array([[0, 1, 0, 1, 1]])
    feature = RNG.normal(size=(5, 3))
    likeness = Likeness.of_features(feature, patient)
    centred = feature - feature.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(5) for j in range(i) if patient[i] != patient[j]]
    alike = {
        same: [unit[i] @ unit[j] for i, j in pairs if (level[0, i] == level[0, j]) == same]
        for same in (True, False)
    }
    within, between = likeness.within_and_between(level)[0]
    assert within == pytest.approx(np.mean(alike[True]))
    assert between == pytest.approx(np.mean(alike[False]))
    means, n_pairs = likeness.between_levels(level[0])
    assert n_pairs[0, 0] == 1
    assert n_pairs[1, 1] == 3
    assert n_pairs[0, 1] + n_pairs[0, 0] + n_pairs[1, 1] == len(pairs)
    assert np.isnan(means[6, 6])


def test_equal_tiles_have_the_same_structure():
    grey = np.stack([np.eye(8), np.eye(8), 1 - np.eye(8)])
    values = Likeness.of_structure(grey, np.arange(3)).values
    assert values[0, 1] == pytest.approx(1.0)
    assert values[0, 2] < 0


@pytest.fixture(scope="module")
def spots():
    sections = tuple(planted_section(number, 0) for number in range(4))
    sizes = [len(section.spots) for section in sections]
    of_section = np.repeat(np.arange(4), sizes)
    return LevelSpots(
        sections=sections,
        section=of_section,
        row=np.concatenate([np.arange(size) for size in sizes]),
        patients=("P0", "P1", "P2", "P3"),
        patient=of_section,
        predicted=RNG.normal(size=sum(sizes)),
        attention=None,
        of_patients=None,
    )


def test_permuted_maps_are_whole_maps_of_one_section(spots):
    label = np.arange(len(spots), dtype=np.float64)
    drawn = permuted_labels(spots, label, np.arange(len(spots)))
    for one in drawn[:20]:
        for section in range(4):
            values = one[spots.section == section]
            assert len(np.unique(values)) == len(values)
            assert len(np.unique(spots.section[values.astype(int)])) == 1
    neighbours = np.abs(np.diff(drawn[:, :4], axis=1))
    assert set(np.unique(neighbours)) == {1.0, 4.0}  # turned or mirrored, never shuffled


def test_patients_of_bags_exchange_their_labels(spots):
    of_bags = LevelSpots(**(vars(spots) | {"of_patients": np.zeros(4)}))
    label = np.array([3.0, 5.0, 7.0, 9.0])[spots.patient]
    for one in permuted_labels(of_bags, label, np.arange(len(spots)))[:20]:
        values = [np.unique(one[spots.patient == patient]) for patient in range(4)]
        assert sorted(np.concatenate(values)) == [3.0, 5.0, 7.0, 9.0]


def test_patients_take_turns():
    score, patient = np.array([9.0, 8.0, 7.0, 1.0]), np.array([0, 0, 0, 1])
    assert one_by_one(score, patient).tolist() == [0, 3, 1, 2]


def test_a_p_value_of_few_permutations_is_never_that_of_one_side():
    # three patients against three: a perfect reader is one of twenty, and so is an inverted one
    high, patient = np.repeat([True, False], 3), list("ABCDEF")
    draws = aurocs(high.astype(float), permuted_sides(high, patient, of_patients=True))
    for value in (0.0, 1.0):
        assert Permuted("auroc", "", value, draws).p == pytest.approx(0.1, abs=0.03)
    assert Permuted("auroc", "", 1.0, draws).p_high == pytest.approx(0.05, abs=0.015)
    assert np.isnan(Permuted("auroc", "", float("nan"), draws).p)


def test_scores_of_readers_are_those_of_scikit_learn():
    first, second = RNG.integers(1, 6, (2, 30))
    high = RNG.random(30) < 0.4
    expected = roc_auc_score(high, first)
    assert aurocs(first.astype(float), high[None])[0] == pytest.approx(expected)
    assert weighted_kappa(first, second) == pytest.approx(
        cohen_kappa_score(first, second, weights="quadratic", labels=[1, 2, 3, 4, 5])
    )
    same = np.full(4, 3)
    assert np.isnan(weighted_kappa(same, same))


def test_tiles_of_a_patient_keep_together_by_chance():
    high, patient = np.array([True, False, True, False]), ["A", "A", "B", "B"]
    swapped = permuted_sides(high, patient, of_patients=False)
    assert (swapped[:, 0] != swapped[:, 1]).all()
    assert (swapped.sum(axis=1) == 2).all()
    assert len(np.unique(swapped, axis=0)) == 4
    permuted = permuted_sides(np.array([True, True, False, False]), patient, of_patients=True)
    assert (permuted[:, 0] == permuted[:, 1]).all()
    assert len(np.unique(permuted, axis=0)) == 2
