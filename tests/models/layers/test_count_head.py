"""Counts without images: a fitted count head finds what they were drawn with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.errors import DataContractError
from histoscribe.metrics.calibration import ks_distance, randomised_pit
from histoscribe.metrics.count_loss import count_loss
from histoscribe.metrics.negative_binomial import NegativeBinomial
from histoscribe.models.count_start import CountStart
from histoscribe.models.facts import Facts
from histoscribe.models.layers.count_head import CountHead

N = 20_000
MEAN, THETA, ZEROS = 5.0, 2.0, 0.3


def drawn(rng, depth, zeros=ZEROS):
    """Counts of one gene, and the size factors of their spots."""
    factor = np.exp(0.5 * rng.standard_normal(N)) if depth == "varying" else np.ones(N)
    counts = rng.negative_binomial(THETA, THETA / (THETA + MEAN * factor)).astype(float)
    return counts * (rng.random(N) >= zeros), factor


def fitted(counts, factor, family):
    """Mean, inverse dispersion and zero inflation at 10,000 counts."""
    head, output = CountHead(CountStart.plain(family, 1)), torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.LBFGS(
        [output, *head.parameters()], max_iter=100, line_search_fn="strong_wolfe"
    )
    counts, factor = torch.tensor(counts[:, None]), torch.tensor(factor)

    def loss():
        optimiser.zero_grad()
        value = count_loss(head(output.expand(N, 1)), counts, factor)
        value.backward()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        found = head(output[None])
    zeros = 0.0 if found.zero_inflation is None else found.zero_inflation.item()
    return found.rate.item(), found.inverse_dispersion.item(), zeros


@pytest.mark.parametrize("depth", ["equal", "varying"])
def test_parameters_are_found_and_only_the_right_family_is_calibrated(depth):
    rng = np.random.default_rng(0)
    (counts, factor), (new, new_factor) = drawn(rng, depth), drawn(rng, depth)
    right, plain = fitted(counts, factor, "zinb"), fitted(counts, factor, "nb")
    assert right[0] == pytest.approx(MEAN, rel=0.05)
    assert right[1] == pytest.approx(THETA, rel=0.08)
    assert right[2] == pytest.approx(ZEROS, rel=0.05)

    def distance(mean, theta, zeros):
        of = NegativeBinomial(mean * new_factor, np.full(N, theta), zeros)
        return ks_distance(randomised_pit(of, new, rng))

    assert distance(*right) < 0.02
    assert distance(*plain) > 0.05
    assert distance(counts.sum() / factor.sum(), 1e8, 0.0) > 0.2  # a Poisson distribution


def test_an_output_starts_at_the_training_mean():
    mean = np.array([1e-3, 0.5, 30.0, 2000.0])
    facts = replace(Facts.plain(4), target_mean=mean)
    assert np.array_equal(facts.output_start, mean)
    start = torch.tensor(replace(facts, counts="nb").output_start)
    np.testing.assert_allclose(
        CountHead(CountStart.plain("nb", 4))(start[None]).rate[0].detach(), mean, rtol=2e-3
    )
    zero = replace(Facts.plain(1), counts="nb").output_start
    assert np.isfinite(zero).all()


@pytest.mark.parametrize("depth", ["equal", "varying"])
@pytest.mark.parametrize(("zeros", "family"), [(0.3, "zinb"), (0.0, "zinb"), (0.0, "nb")])
def test_it_starts_near_what_training_counts_were_drawn_with(depth, zeros, family):
    rng = np.random.default_rng(0)
    counts, factor = drawn(rng, depth, zeros)
    start = CountStart.of_counts(family, counts[:, None].astype(np.float32), factor)
    np.testing.assert_allclose(start.inverse_dispersion, THETA, rtol=0.15)
    if family == "zinb":
        np.testing.assert_allclose(start.zero_inflation, max(zeros, 0.001), atol=0.02)
    else:
        assert start.zero_inflation is None


@pytest.mark.parametrize(("wrong", "found"), [(-1.0, "-1"), (0.5, "0.5")])
def test_a_loss_of_counts_refuses_what_is_no_count(wrong, found):
    counts = np.zeros((4, 3), dtype=np.float32)
    counts[2, 1] = wrong
    with pytest.raises(DataContractError) as caught:
        CountStart.of_counts("zinb", counts, np.ones(4))
    (problem,) = caught.value.problems
    assert problem.where == "counts for the loss, row 2, gene 1 of the panel"
    assert problem.found == f"{found}, and in all 1 negative or fractional values"
    assert "raw counts" in problem.remedy


def test_it_computes_in_float32_under_autocast():
    head, output = CountHead(CountStart.plain("zinb", 3)), torch.tensor([[0.125, 30.0, 2000.0]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = head(output.bfloat16())
    assert half.rate.dtype == half.inverse_dispersion.dtype == torch.float32
    torch.testing.assert_close(half.rate, head(output).rate)
