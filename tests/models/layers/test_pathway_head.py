from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.models.facts import Facts
from histoscribe.models.layers.pathway_head import PathwayHead
from histoscribe.types import Pathways

MEMBERS = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0]], dtype=bool)
"""Two pathways; the last gene is in none."""
MEAN = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
FACTS = replace(Facts.plain(5), target_mean=MEAN, pathways=Pathways(("FIRST", "SECOND"), MEMBERS))


def head(init, membership="binary", facts=FACTS):
    torch.manual_seed(0)
    return PathwayHead(2, facts, init, membership)


def after_steps(made, n=20):
    """The head after steps that lower every prediction."""
    scores = torch.rand(16, 2, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.SGD(made.parameters(), lr=0.5)
    for _ in range(n):
        optimiser.zero_grad()
        (made(scores) + 3).square().mean().backward()
        optimiser.step()
    return made


@pytest.mark.parametrize("init", ["init", "masked"])
def test_weights_start_from_the_membership(init):
    members = torch.from_numpy(MEMBERS.T).float()
    torch.testing.assert_close(head(init).weights(), members)
    shares = head(init, "row-normalised").weights()
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(2))
    assert torch.equal(shares > 0, members > 0)


@pytest.mark.parametrize("init", ["free", "init", "masked"])
def test_scores_of_zero_give_the_training_mean(init):
    given = head(init)(torch.zeros(3, 2))
    torch.testing.assert_close(given, torch.from_numpy(MEAN).float().expand(3, 5))


def test_init_stays_learnable_everywhere():
    before, after = head("init").weights(), after_steps(head("init")).weights()
    assert (before != after).all()
    assert (after < 0).any()


def test_masked_keeps_zeros_and_weights_above_zero():
    made = after_steps(head("masked"))
    weights, members = made.weights(), torch.from_numpy(MEMBERS.T)
    assert (weights[~members] == 0).all()
    assert (weights[members] > 0).all()
    assert not torch.equal(weights[members], torch.ones(5))
    alone = made(torch.rand(4, 2))[:, -1]
    assert (alone == alone[0]).all()  # the gene of no pathway: its mean, whatever the scores


def test_a_softplus_stands_only_where_targets_cannot_be_negative():
    low = torch.full((1, 2), -20.0)
    assert (head("init")(low) < 0).any()
    non_negative = head("init", facts=replace(FACTS, non_negative=True))
    assert (non_negative(low) >= 0).all()
    torch.testing.assert_close(
        non_negative(torch.zeros(1, 2))[0], torch.from_numpy(MEAN).float(), atol=1e-3, rtol=0
    )


def test_whether_a_softplus_stands_there_is_saved_with_the_weights():
    loaded = head("init")
    loaded.load_state_dict(head("init", facts=replace(FACTS, non_negative=True)).state_dict())
    assert (loaded(torch.full((1, 2), -20.0)) >= 0).all()


def test_genes_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head("free")(torch.zeros(1, 2, dtype=torch.bfloat16)).dtype == torch.float32
