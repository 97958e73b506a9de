import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from histoscribe.metrics.loss import pcc_loss


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.randn(50, 4), torch.randn(50, 4)


def test_the_loss_is_one_minus_scipys_mean(pair):
    x, y = pair
    r = np.mean([pearsonr(x[:, g].numpy(), y[:, g].numpy()).statistic for g in range(4)])
    assert pcc_loss(x, y).item() == pytest.approx(1 - r, abs=1e-6)


def test_padding_and_genes_not_measured_take_no_part(pair):
    x, y = pair
    padded = [torch.cat([values, torch.full((7, 4), 9.0)])[None] for values in pair]
    present = (torch.arange(57) < 50)[None]
    torch.testing.assert_close(pcc_loss(padded[0], padded[1], present), pcc_loss(x, y))
    lacking = torch.cat([y, torch.full((50, 1), torch.nan)], dim=1)
    wider = torch.cat([x, torch.randn(50, 1)], dim=1).requires_grad_()
    loss = pcc_loss(wider, lacking)
    loss.backward()
    torch.testing.assert_close(loss.detach(), pcc_loss(x, y))
    assert torch.isfinite(wider.grad).all()
    assert (wider.grad[:, 4] == 0).all()


def test_only_genes_that_vary_count(pair):
    x, y = pair
    flat = torch.cat([y, torch.full((50, 1), 0.1)], dim=1)
    torch.testing.assert_close(pcc_loss(torch.cat([x, x[:, :1]], dim=1), flat), pcc_loss(x, y))


@pytest.mark.parametrize("level", [0.0, 0.1, 1000.0])
def test_gradients_are_finite_on_a_constant_prediction(pair, level):
    x = torch.full((50, 4), level, requires_grad=True)
    loss = pcc_loss(x, pair[1])
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-3)
    assert torch.isfinite(x.grad).all()


def test_without_a_gene_that_varies_the_loss_is_still_part_of_the_graph(pair):
    x = pair[0].clone().requires_grad_()
    loss = pcc_loss(x, torch.ones(50, 4))
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()


def test_half_precision_is_cast_up(pair):
    x, y = pair
    half = pcc_loss(x.bfloat16(), y.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(pcc_loss(x, y).item(), abs=0.01)
