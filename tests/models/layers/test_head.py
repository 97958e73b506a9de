"""The last layer of networks."""

import torch

from histoscribe.models.layers.head import GeneHead
from tests.models.networks.networks import N_GENES, facts


def test_predicts_the_mean_of_a_representation_at_zero():
    predicted = GeneHead(8, facts())(torch.zeros(2, 8))
    torch.testing.assert_close(predicted, torch.linspace(0, 4, N_GENES).expand(2, -1))


def test_at_mean_predicts_the_mean_of_any_representation():
    predicted = GeneHead(8, facts(), at_mean=True)(torch.randn(2, 8))
    torch.testing.assert_close(predicted, torch.linspace(0, 4, N_GENES).expand(2, -1))


def test_autocast_does_not_round_what_it_predicts():
    head, seen = GeneHead(8, facts()), torch.randn(4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predicted = head(seen)
    assert predicted.dtype == torch.float32
    assert torch.equal(predicted, head(seen))
