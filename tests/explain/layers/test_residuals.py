"""Skip connections: found by what a network adds, with the branch alone, bit by bit."""

import pytest
import torch
from torch import nn

from histoscribe.explain.layers.residuals import residuals_tapped
from histoscribe.models.base import create_model
from tests.explain.alike import N_GENES, TILE_PX


def collected(network, *inputs, **named):
    """Additions of a network, whose output must stay."""
    network.eval()
    with torch.no_grad():
        before = network(*inputs, **named)
        with residuals_tapped(network, lambda value: value) as residuals:
            after = network(*inputs, **named)
    return before, after, residuals


class Block(nn.Module):
    """A residual block as of ResNet: it adds in place, and fits the width of what it passes by."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 1)
        self.fit = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        out = self.second(self.first(x).relu())
        passed = self.fit(x)
        out += passed
        return out.relu_()


def test_the_branch_lies_behind_more_operations_also_where_it_is_overwritten():
    block, x = Block(), torch.randn(4, 3, 2, 2)
    before, after, residuals = collected(block, x)
    assert torch.equal(before, after)
    ((name, ((branch, whole),)),) = residuals.items()
    assert name == "second"
    with torch.no_grad():
        expected = block.second(block.first(x).relu())
        torch.testing.assert_close(branch, expected)
        torch.testing.assert_close(whole, expected + block.fit(x))


@pytest.mark.parametrize(
    ("model", "settings", "ends"),
    [
        ("vit", {}, ["attn", "mlp"]),
        ("egn", {"sees": "image"}, ["out", "mlp"]),
        ("tcgn", {"graph": "none"}, ["perceive", "attend", "local", "mix"]),
    ],
)
def test_branches_of_models_have_the_names_of_their_layers(model, settings, ends):
    side_px = 64 if model == "tcgn" else TILE_PX
    network = create_model(model, N_GENES, tile_px=side_px, preset="tiny", **settings)
    image = torch.randint(0, 255, (2, 3, side_px, side_px), dtype=torch.uint8)
    before, after, residuals = collected(network, image=image)
    assert torch.equal(before.expression, after.expression)
    blocks = [name for name in residuals if name.rpartition(".")[2] in ends]
    assert {name.rpartition(".")[2] for name in blocks} == set(ends)
    assert [name.rpartition(".")[2] for name in blocks[: len(ends)]] == ends


def test_the_sum_after_the_last_branch_of_a_block_is_what_the_block_gives():
    network = create_model("vit", N_GENES, tile_px=TILE_PX, preset="tiny").eval()
    image = torch.randint(0, 255, (2, 3, TILE_PX, TILE_PX), dtype=torch.uint8)
    _, _, residuals = collected(network, image=image)
    (branch, whole), *_ = residuals["patches.net.blocks.1.mlp"]
    first = residuals["patches.net.blocks.1.attn"][0][1]
    torch.testing.assert_close(whole, first + branch)
    with torch.no_grad():
        tokens = network.patches.embed(image)
        for layer in network.patches.layers:
            tokens = layer(tokens)
    assert torch.equal(tokens, whole)


def test_a_network_without_skip_connections_has_none():
    network = create_model("mlp", N_GENES, 3, preset="tiny")
    assert collected(network, feature=torch.randn(4, 3))[2] == {}
