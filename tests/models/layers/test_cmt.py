"""The CMT block against loops written from its equations, and the sizes of its stages."""

import math

import pytest
import torch
from torch import nn

from histoscribe.models.layers.cmt import (
    CMTAttention,
    CMTBlock,
    CMTStage,
    StageShape,
    Stem,
    as_map,
    as_tokens,
    draw_weights,
)


def n_parameters(module):
    return sum(value.numel() for value in module.parameters())


def shape(**changed):
    sizes = {"width_in": 6, "width": 8, "blocks": 2, "heads": 2, "reduction": 2}
    return StageShape(**{**sizes, "expansion": 3.6, "side": 4, **changed})


def test_tokens_are_positions_row_by_row():
    grid = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    tokens = as_tokens(grid)
    assert torch.equal(tokens[1, 6], grid[1, :, 1, 2])
    assert torch.equal(as_map(tokens), grid)


@torch.no_grad()
@pytest.mark.parametrize("reduction", [1, 2])
def test_attention_is_the_mean_value_weighted_by_product_and_position(reduction):
    torch.manual_seed(0)
    attend = CMTAttention(4, 2, reduction=reduction, qkv_bias=True).double().eval()
    tokens = torch.randn(1, 16, 4, dtype=torch.float64)
    bias = torch.randn(2, 16, 16 // reduction**2, dtype=torch.float64)
    coarse = as_tokens(attend.reduce(as_map(tokens)))[0]
    query, key, value = (
        layer(read)
        for layer, read in (
            (attend.query, tokens[0]),
            (attend.key, coarse),
            (attend.value, coarse),
        )
    )
    made = torch.zeros(16, 4, dtype=torch.float64)
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        for i in range(16):
            score = [
                float(query[i, part] @ key[j, part]) / math.sqrt(2) + float(bias[head, i, j])
                for j in range(len(coarse))
            ]
            total = sum(math.exp(s) for s in score)
            for j, s in enumerate(score):
                made[i, part] += math.exp(s) / total * value[j, part]
    torch.testing.assert_close(attend(tokens, bias)[0], attend.project(made))


def test_a_block_adds_perception_attention_and_convolutions_to_its_input():
    torch.manual_seed(0)
    block = CMTBlock(8, 2, expansion=2.5, reduction=2).double().eval()
    tokens = torch.randn(2, 16, 8, dtype=torch.float64)
    bias = torch.randn(2, 16, 4, dtype=torch.float64)
    first = tokens + as_tokens(block.perceive(as_map(tokens)))
    second = first + block.attend(block.norm_tokens(first), bias)
    wide = block.mix.norm_wide(
        nn.functional.gelu(block.mix.widen(as_map(block.norm_channels(second))))
    )
    local = block.mix.norm_local(nn.functional.gelu(wide + block.mix.local(wide)))
    third = second + as_tokens(block.mix.norm_narrow(block.mix.narrow(local)))
    torch.testing.assert_close(block(tokens, bias), third)


def test_a_stage_halves_the_side_and_shares_one_bias():
    stage = CMTStage(shape())
    assert stage(torch.randn(3, 6, 8, 8)).shape == (3, 8, 4, 4)
    assert stage.bias.shape == (2, 16, 4)
    positions = [value for value in stage.parameters() if value.ndim == 3]
    assert len(positions) == 1


def test_the_stem_halves_the_side():
    assert Stem(5)(torch.randn(2, 3, 16, 16)).shape == (2, 5, 8, 8)


def test_a_block_has_as_many_parameters_as_the_paper_counts():
    width, hidden, reduction = 46, int(46 * 3.6), 8
    linear = 4 * (width**2 + width)
    reduced = width * (reduction**2 + 1) + 2 * width
    wide = width * hidden + hidden + 2 * hidden + 10 * hidden + 2 * hidden
    narrow = hidden * width + width + 2 * width
    expected = 10 * width + 4 * width + linear + reduced + wide + narrow
    assert n_parameters(CMTBlock(width, 1, expansion=3.6, reduction=reduction)) == expected
    without = CMTBlock(width, 1, expansion=3.6, reduction=reduction, qkv_bias=False)
    assert n_parameters(without) == expected - 3 * width


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="10 is no multiple of 4"):
        CMTBlock(10, 4, expansion=2.0)


def test_gradients_reach_every_parameter_under_bfloat16_too():
    torch.manual_seed(0)
    stage = CMTStage(shape())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = stage(torch.randn(3, 6, 8, 8))
    made.float().square().sum().backward()
    for name, value in stage.named_parameters():
        if not name.endswith("key.bias"):  # it moves all logits of a row alike
            assert value.grad.abs().sum() > 0, name


def test_weights_are_drawn_as_published():
    torch.manual_seed(0)
    layers = [nn.Linear(200, 100), nn.Conv2d(200, 100, 3), nn.Conv2d(900, 900, 5, groups=900)]
    for layer in layers:
        draw_weights(layer)
        assert not layer.bias.any()
    deviation = [0.02, math.sqrt(2 / (100 * 9)), math.sqrt(2 / (900 * 25))]
    made = [layer.weight.std().item() for layer in layers]
    assert made == pytest.approx(deviation, rel=0.02)
    assert CMTStage(shape(side=32, reduction=8)).bias.std().item() == pytest.approx(1, rel=0.02)
