import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from histoscribe.metrics.count_loss import count_loss
from histoscribe.types import CountDistribution

N, G = 40, 3
FAMILIES = ["nb", "zinb"]


@pytest.fixture
def spots():
    """Rates, inverse dispersions, zero inflation, size factors and counts of 40 spots."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(2.0, 4.0, (N, G))
    theta = rng.gamma(2.0, 1.0, (N, G))
    zeros = rng.uniform(0.05, 0.6, (N, G))
    factor = rng.uniform(0.2, 3.0, N)
    counts = rng.poisson(rate * factor[:, None]) * (rng.random((N, G)) > zeros)
    return rate, theta, zeros, factor, counts.astype(np.float32)


def distribution(rate, theta, zeros, family="zinb", dtype=torch.float32):
    rate, theta, zeros = (torch.tensor(values, dtype=dtype) for values in (rate, theta, zeros))
    return CountDistribution(rate, theta, zeros if family == "zinb" else None)


def by_scipy(rate, theta, zeros, factor, counts, family):
    """Mean negative log-likelihood of SciPy's negative binomial: n successes of probability p."""
    mean = rate * factor[:, None]
    probability = nbinom.pmf(counts, theta, theta / (theta + mean))
    if family == "zinb":
        probability = (counts == 0) * zeros + (1 - zeros) * probability
    return -np.log(probability).mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_scipys_likelihood_at_the_depth_of_each_spot(spots, family):
    rate, theta, zeros, factor, counts = spots
    found = count_loss(
        distribution(rate, theta, zeros, family), torch.tensor(counts), torch.tensor(factor)
    )
    assert found.item() == pytest.approx(by_scipy(*spots, family), rel=1e-5)


def test_a_huge_inverse_dispersion_is_a_poisson(spots):
    rate, theta, zeros, factor, counts = spots
    huge = distribution(rate, np.full_like(theta, 1e9), zeros, "nb")
    mean = torch.tensor(rate * factor[:, None])
    expected = -torch.distributions.Poisson(mean).log_prob(torch.tensor(counts)).mean()
    found = count_loss(huge, torch.tensor(counts), torch.tensor(factor))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_and_genes_not_measured_take_no_part(spots, family):
    rate, theta, zeros, factor, counts = spots
    plain = count_loss(
        distribution(rate, theta, zeros, family), torch.tensor(counts), torch.tensor(factor)
    )
    padded = [np.full((1, N + 5, values.shape[-1]), np.nan) for values in (rate, theta, zeros)]
    for whole, values in zip(padded, (rate, theta, zeros), strict=True):
        whole[0, :N] = values
    wide_counts, wide_factor = torch.zeros(1, N + 5, G), torch.zeros(1, N + 5)
    wide_counts[0, :N], wide_factor[0, :N] = torch.tensor(counts), torch.tensor(factor)
    present = (torch.arange(N + 5) < N)[None]
    found = count_loss(distribution(*padded, family), wide_counts, wide_factor, present)
    torch.testing.assert_close(found, plain)
    lacking = torch.cat([torch.tensor(counts), torch.full((N, 1), torch.nan)], dim=1)
    wider = [np.concatenate([values, values[:, :1]], axis=1) for values in (rate, theta, zeros)]
    found = count_loss(distribution(*wider, family), lacking, torch.tensor(factor))
    torch.testing.assert_close(found, plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_cast_up(spots, dtype):
    rate, theta, zeros, factor, counts = spots
    half = count_loss(
        distribution(rate, theta, zeros, dtype=dtype), torch.tensor(counts), torch.tensor(factor)
    )
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(by_scipy(*spots, "zinb"), rel=0.02)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("count", [0.0, 1.0, 1e5])
@pytest.mark.parametrize("rate", [1e-6, 1.0, 1e5])
def test_loss_and_gradient_are_finite_at_the_extremes(family, count, rate):
    # an empty spot has a size factor of zero
    values = [torch.full((2, 4), of) for of in (rate, 1.0, 0.0)]
    values[1] = torch.tensor([1e-6, 1.0, 1e6, 1e9]).expand(2, 4).clone()
    values[2] = torch.tensor([0.0, 1e-9, 0.5, 1.0]).expand(2, 4).clone()
    values = [of.requires_grad_() for of in values]
    predicted = CountDistribution(*values[:2], values[2] if family == "zinb" else None)
    loss = count_loss(predicted, torch.full((2, 4), count), torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.isfinite()
    assert all(of.grad is None or of.grad.isfinite().all() for of in values)


def test_mean_and_deviation_are_those_of_draws_at_ten_thousand_counts():
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + 5.0), 400_000) * (rng.random(400_000) > 0.3)
    of = distribution(np.full((1, 1), 5.0), np.full((1, 1), 2.0), np.full((1, 1), 0.3))
    assert of.mean.item() == pytest.approx(counts.mean(), rel=0.01)
    assert of.deviation.item() == pytest.approx(counts.std(), rel=0.01)
