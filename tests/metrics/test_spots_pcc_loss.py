import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from histoscribe.metrics.loss import mse_and_pcc_loss, mse_loss, pcc_loss, spots_pcc_loss

K, G = 9, 3


@pytest.fixture
def sections():
    """Two sections of 9 and 6 spots, padded with numbers that are no expression."""
    torch.manual_seed(0)
    predicted, measured = torch.randn(2, K, G), torch.randn(2, K, G)
    present = torch.arange(K)[None] < torch.tensor([9, 6])[:, None]
    predicted[1, 6:], measured[1, 6:] = 1e6, -1e6
    return predicted, measured, present


def r(x, y):
    return pearsonr(x.numpy(), y.numpy()).statistic


def test_sections_are_correlated_each_by_itself(sections):
    predicted, measured, present = sections
    each = [
        r(predicted[at, :n, gene], measured[at, :n, gene])
        for at, n in ((0, 9), (1, 6))
        for gene in range(G)
    ]
    found = spots_pcc_loss(predicted, measured, present)
    assert found.item() == pytest.approx(1 - np.mean(each), abs=1e-6)


def test_sections_of_one_spot_are_correlated_over_the_batch(sections):
    predicted, measured, present = sections
    singles = torch.randn(4, K, G), torch.randn(4, K, G)
    one = (torch.arange(K) == 0).expand(4, K)
    together = spots_pcc_loss(*singles, one)
    torch.testing.assert_close(together, pcc_loss(singles[0][:, 0], singles[1][:, 0]))
    mixed = spots_pcc_loss(
        torch.cat([predicted, singles[0]]),
        torch.cat([measured, singles[1]]),
        torch.cat([present, one]),
    )
    each = [spots_pcc_loss(predicted, measured, present).item()] * 2 + [together.item()]
    assert mixed.item() == pytest.approx(np.mean(each), abs=1e-6)


def test_one_section_of_one_spot_has_nothing_to_correlate():
    x = torch.randn(1, 1, G, requires_grad=True)
    loss = spots_pcc_loss(x, torch.randn(1, 1, G))
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()


def test_items_with_one_prediction_are_correlated_over_the_batch(sections):
    predicted, measured = sections[0][0], sections[1][0]
    torch.testing.assert_close(spots_pcc_loss(predicted, measured), pcc_loss(predicted, measured))


def test_squared_error_leaves_padding_out_and_the_sum_is_weighted(sections):
    predicted, measured, present = sections
    squares = torch.cat([(predicted - measured)[0], (predicted - measured)[1, :6]]).square()
    squared = mse_loss(predicted, measured, present)
    torch.testing.assert_close(squared, squares.mean())
    found = mse_and_pcc_loss(predicted, measured, 0.5, present)
    torch.testing.assert_close(found, squared + 0.5 * spots_pcc_loss(predicted, measured, present))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_cast_up(sections, dtype):
    predicted, measured, present = sections
    half = mse_and_pcc_loss(predicted.to(dtype), measured, 1.0, present)
    assert half.dtype == torch.float32
    expected = mse_and_pcc_loss(predicted, measured, 1.0, present)
    assert half.item() == pytest.approx(expected.item(), rel=0.02)


def test_a_constant_prediction_of_padded_sections_has_a_finite_gradient(sections):
    _, measured, present = sections
    x = torch.full((2, K, G), 3.0, requires_grad=True)
    loss = spots_pcc_loss(x, measured, present)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-3)
    assert x.grad.isfinite().all()
    assert (x.grad[1, 6:] == 0).all()
