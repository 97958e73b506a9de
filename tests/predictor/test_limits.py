"""Values and places beyond the training are clipped, masked and counted; others keep their bits."""

import numpy as np
import pytest

from histoscribe.metrics.negative_binomial import counts_at
from histoscribe.predictor.fitted_model import Predicted
from histoscribe.predictor.gene_choice import GeneChoice, trusted_choice
from histoscribe.predictor.limits import BeyondTraining, ValueRange, within_limits
from histoscribe.types import Head, Prediction, Spots

RANGE = ValueRange(np.array([-1, 0], dtype=np.float32), np.array([1, 5], dtype=np.float32))
DISTANCE = np.array([0.2, 1.0, 1.01, np.nan])
VALUES = np.array([[0.1, 0.3], [-2.0, 5.5], [9.0, 1.0], [1.0, 5.0]], dtype=np.float32)


def limited(*, keep_unlike=False, value_range=RANGE, **parts):
    return within_limits(Predicted(VALUES, **parts), DISTANCE, value_range, keep_unlike=keep_unlike)


def test_values_outside_the_range_become_its_nearest_end_and_others_keep_their_bits():
    predicted, facts = limited(keep_unlike=True)
    assert predicted.values[[0, 3]].tobytes() == VALUES[[0, 3]].tobytes()
    assert predicted.values[1:3].tolist() == [[-1.0, 5.0], [1.0, 1.0]]
    assert facts["clipped_genes"].tolist() == [0, 2, 1, 0]


def test_places_beyond_one_are_masked_and_unknown_ones_are_kept_but_not_trusted():
    predicted, facts = limited()
    assert np.isnan(predicted.values).all(axis=1).tolist() == [False, False, True, False]
    assert facts["trusted"].tolist() == [1, 1, 0, 0]
    unbounded, facts = limited(value_range=None)
    assert unbounded.values[1].tolist() == VALUES[1].tolist()
    assert facts["clipped_genes"].tolist() == [0, 0, 0, 0]


def test_scores_of_pathways_are_masked_and_facts_about_the_model_are_not():
    scores, exemplars = np.ones((4, 3)), np.arange(8.0).reshape(4, 2)
    predicted, _ = limited(evidence={"pathways": scores, "exemplar_row": exemplars})
    assert np.isnan(predicted.evidence["pathways"]).all(axis=1).tolist() == [0, 0, 1, 0]
    assert predicted.evidence["exemplar_row"] is exemplars


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_a_clipped_count_keeps_its_dispersion_and_additional_zeros(zeros):
    theta, mean = 4.0, np.array([[2.0, 40.0]])
    rate = mean / (1 - zeros)
    deviation = np.sqrt(mean * (1 + rate * (zeros + 1 / theta)))
    layers = {"deviation": deviation, "zero_inflation": np.full((1, 2), zeros)}
    predicted, _ = within_limits(
        Predicted(mean, layers=layers),
        np.zeros(1),
        ValueRange(np.zeros(2, dtype=np.float32), np.array([9, 10], dtype=np.float32)),
        keep_unlike=False,
    )
    assert predicted.values.tolist() == [[2.0, 10.0]]
    spots = Spots(("a",), np.zeros((1, 2)), 55.0, 100.0)
    head = Head(section="S", spots=spots, genes=("A", "B"), unit="cp10k", predictor="p")
    counts = counts_at(Prediction(head, predicted.values, **predicted.layers), 10_000)
    np.testing.assert_allclose(counts.inverse_dispersion, theta, rtol=1e-4)


def test_the_range_is_that_of_measured_values_and_leaves_out_what_was_not_measured():
    target = np.array([[1.0, np.nan], [-3.0, 2.0], [0.5, 2.0]], dtype=np.float32)
    found = ValueRange.of(target)
    assert (found.low.tolist(), found.high.tolist()) == ([-3.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        ValueRange.of(np.full((2, 1), np.nan, dtype=np.float32))


def beyond(distance, *, keep_unlike=False):
    facts = {"distance_to_training": np.array(distance), "clipped_genes": np.arange(len(distance))}
    return BeyondTraining.of(facts, 10, keep_unlike=keep_unlike)


def test_counts_are_of_the_values_that_are_given():
    masked, kept = (beyond([0.5, 2.0, 0.5, 3.0], keep_unlike=keep) for keep in (False, True))
    assert (masked.share, masked.n_values, masked.n_clipped) == (0.5, 20, 2)
    assert (kept.share, kept.n_values, kept.n_clipped) == (0.5, 40, 6)
    assert "2 of 4 positions are beyond the training and masked" in masked.words
    assert beyond([np.nan, np.nan]).share is None


def test_no_gene_is_offered_on_a_slide_that_is_mostly_beyond_even_if_its_values_are_kept():
    scores, choice = {"q": np.array([0.01, 0.2])}, GeneChoice(("A", "B"), ("A", "B"), "best")
    half, most = beyond([0.5, 2.0]), beyond([0.5, 2.0, 2.0], keep_unlike=True)
    assert half.offered(scores)["q"].tolist() == [0.01, 0.2]
    assert trusted_choice(choice, half) is choice
    assert np.isnan(most.offered(scores)["q"]).all()
    assert trusted_choice(choice, most).genes == ()
    named = GeneChoice(("A",), ("A",), "requested", requested=True)
    assert trusted_choice(named, most).genes == ("A",)
    assert "not trusted" in trusted_choice(named, most).why


def test_the_value_of_a_bag_is_clipped_and_left_out_where_most_tiles_are_beyond():
    values = np.array([7.0, 2.0])
    assert beyond([0.5, 2.0]).bag_values(values, RANGE).tolist() == [1.0, 2.0]
    assert np.isnan(beyond([2.0, 2.0]).bag_values(values, RANGE)).all()
    assert beyond([2.0], keep_unlike=True).bag_values(values, RANGE).tolist() == [1.0, 2.0]
