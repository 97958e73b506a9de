import numpy as np
import pytest
from scipy.stats import nbinom

from histoscribe.errors import DataContractError
from histoscribe.metrics.negative_binomial import NegativeBinomial, counts_at, prediction_interval
from histoscribe.types import Head, Prediction, Spots

RATE, THETA, ZEROS = 5.0, 2.0, 0.3


def prediction(zeros=ZEROS, *, deviation=True):
    """Two spots of one gene: the rate, and a rate of almost nothing."""
    rate = np.array([[RATE], [1e-6]])
    mean = (1 - zeros) * rate
    spread = np.sqrt(mean * (1 + rate * (zeros + 1 / THETA)))
    spots = Spots(("a", "b"), np.array([[0.0, 0.0], [100.0, 0.0]]), 55.0, 100.0)
    head = Head(section="s", spots=spots, genes=("G",), unit="cp10k", predictor="mlp@1")
    return Prediction(
        head,
        mean.astype(np.float32),
        spread.astype(np.float32) if deviation else None,
        np.full((2, 1), zeros, dtype=np.float32) if zeros and deviation else None,
    )


@pytest.mark.parametrize("zeros", [0.0, ZEROS])
def test_the_distribution_follows_from_mean_and_deviation(zeros):
    counts = counts_at(prediction(zeros), 10_000)
    assert counts.mean[0, 0] == pytest.approx(RATE, rel=1e-5)
    assert counts.inverse_dispersion[0, 0] == pytest.approx(THETA, rel=1e-4)


@pytest.mark.parametrize("zeros", [0.0, ZEROS])
@pytest.mark.parametrize("total", [500.0, 10_000.0, 80_000.0])
def test_an_interval_holds_as_many_draws_as_its_level_says(zeros, total):
    low, high = prediction_interval(prediction(zeros), total=total, level=0.8)
    rng = np.random.default_rng(0)
    mean = RATE * total / 10_000
    draws = rng.negative_binomial(THETA, THETA / (THETA + mean), 50_000)
    draws = draws * (rng.random(50_000) >= zeros)
    # counts are whole numbers, so an interval may hold more, but with a count less it holds less
    assert np.mean((draws >= low[0, 0]) & (draws <= high[0, 0])) >= 0.795
    assert np.mean(draws <= high[0, 0] - 1) < 0.905
    assert np.mean(draws < low[0, 0]) <= 0.105
    assert (low[1, 0], high[1, 0]) == (0, 0)


def test_each_spot_has_its_total_or_all_have_one():
    wide = prediction_interval(prediction(), total=np.array([1000.0, 9000.0]))
    for spot, total in enumerate((1000.0, 9000.0)):
        same = prediction_interval(prediction(), total=total)
        assert [of[spot] for of in wide] == [of[spot] for of in same]


def test_probabilities_are_scipys():
    counts = np.arange(-1.0, 8.0)
    plain = NegativeBinomial(np.full(9, RATE), np.full(9, THETA))
    np.testing.assert_allclose(plain.cdf(counts), nbinom.cdf(counts, THETA, THETA / (THETA + RATE)))
    more = NegativeBinomial(np.full(9, RATE), np.full(9, THETA), ZEROS)
    np.testing.assert_allclose(
        more.cdf(counts), np.where(counts < 0, 0, ZEROS + 0.7 * plain.cdf(counts))
    )


@pytest.mark.parametrize(
    ("given", "total", "says"),
    [
        (prediction(deviation=False), 10_000, 'train.loss = "nb" or "zinb"'),
        (prediction(), 0, "a total of 0 counts"),
    ],
)
def test_an_interval_needs_a_model_of_counts_and_a_depth(given, total, says):
    with pytest.raises(DataContractError, match=says):
        prediction_interval(given, total=total)


def test_a_level_is_a_probability():
    with pytest.raises(ValueError, match=r"level = 1.5: must be between 0 and 1"):
        prediction_interval(prediction(), total=1000, level=1.5)
