"""Folds of patients, and the area under the ROC curve within them."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from histoscribe.explain.subtypes.held_out import (
    auroc_interval,
    auroc_within_folds,
    aurocs_alone,
    chance_range,
    held_out_scores,
    patient_folds,
    rank_sum_range,
)

CLASSES = ["a"] * 9 + ["b"] * 6 + ["c"] * 15


def test_folds_hold_out_each_patient_once_a_repeat_and_share_the_classes():
    folds = patient_folds(CLASSES, 3, 2, seed=0)
    assert len(folds) == 6
    for repeat in range(2):
        tests = [fold.test for fold in folds if fold.repeat == repeat]
        assert sorted(np.concatenate(tests)) == list(range(30))
        assert all(sorted(np.array(CLASSES)[t].tolist()).count("b") == 2 for t in tests)
    assert not np.array_equal(folds[0].test, folds[3].test)
    again = patient_folds(CLASSES, 3, 2, seed=0)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))


def test_patients_of_two_folds_are_never_compared():
    folds = patient_folds(CLASSES, 3, 1, seed=0)
    positive = np.array(CLASSES) == "a"
    values = np.random.default_rng(0).standard_normal(30)
    plain = held_out_scores(folds, lambda fold: values[fold.test])
    shifted = held_out_scores(
        folds,
        lambda fold: values[fold.test] + 100 * next(i for i, f in enumerate(folds) if f is fold),
    )
    expected = np.mean([roc_auc_score(positive[f.test], values[f.test]) for f in folds])
    assert auroc_within_folds(plain, folds, positive) == pytest.approx(expected)
    assert auroc_within_folds(shifted, folds, positive) == pytest.approx(expected)


def test_auroc_of_single_genes_counts_ties_half():
    positive = np.array([True, True, False, False, False])
    values = np.array([[3.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert aurocs_alone(values, positive) == pytest.approx([5.5 / 6, 0.5])


def test_the_interval_has_a_width_at_one_and_narrows_with_patients():
    low, high = auroc_interval(1.0, 8, 55)
    assert 0.8 < low < 0.9
    assert high == 1.0
    narrow, wide = auroc_interval(0.8, 80, 80), auroc_interval(0.8, 8, 8)
    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]
    assert auroc_interval(0.2, 8, 8) == pytest.approx(tuple(1 - v for v in wide[::-1]))
    assert np.isnan(auroc_interval(float("nan"), 8, 8)).all()


def test_the_range_of_chance_holds_nineteen_of_twenty_new_draws():
    rng = np.random.default_rng(0)
    draws = 0.5 + 0.1 * rng.standard_normal((2000, 6))
    inside = [low <= row[5] <= high for row in draws for low, high in [chance_range(row[:5])]]
    assert 0.93 < np.mean(inside) < 0.97


def test_the_range_of_a_rank_sum_is_that_of_permuted_labels():
    rng = np.random.default_rng(0)
    values, positive = rng.standard_normal((60, 1)), np.arange(60) < 12
    drawn = [aurocs_alone(values, rng.permutation(positive))[0] for _ in range(600)]
    assert rank_sum_range(12, 48) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.03)
