"""The transformer block of TCGN against loops, and its attention between channels."""

import math

import pytest
import torch
from torch.nn import functional

from histoscribe.models.layers.channel_attention import ChannelAttention
from histoscribe.models.layers.encoder_block import EncoderBlock


@torch.no_grad()
@pytest.mark.parametrize("diagonal", [False, True])
def test_the_block_agrees_with_loops(diagonal):
    torch.manual_seed(0)
    block = EncoderBlock(6, 2, diagonal=diagonal).double().eval()
    tokens = torch.randn(1, 5, 6, dtype=torch.float64)
    split = block.query_key_value(block.norm_tokens(tokens[0]))
    made = torch.zeros(5, 6, dtype=torch.float64)
    for head in range(2):
        query, key, value = (
            torch.stack([split[:, (head * 3 + j) * 3 + kind] for j in range(3)], dim=1)
            for kind in range(3)
        )
        for i in range(5):
            score = [
                (float(query[i] @ key[j]) + (diagonal and i == j)) / math.sqrt(6) for j in range(5)
            ]
            total = sum(math.exp(s) for s in score)
            for j, s in enumerate(score):
                made[i, 3 * head : 3 * head + 3] += math.exp(s) / total * value[j]
    mixed = tokens[0] + made
    wide = functional.gelu(block.channels[0](block.norm_channels(mixed)))
    torch.testing.assert_close(block(tokens)[0], mixed + block.channels[3](wide))


def test_the_first_tokens_are_the_same_without_work_on_the_others():
    torch.manual_seed(0)
    block, tokens = EncoderBlock(8, 2, diagonal=True).eval(), torch.randn(2, 5, 8)
    torch.testing.assert_close(block(tokens, 3), block(tokens)[:, :3])


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    block, tokens = EncoderBlock(8, 2), torch.randn(2, 5, 8)
    assert not torch.equal(block(tokens), block(tokens))
    block.eval()
    assert torch.equal(block(tokens), block(tokens))


def test_a_block_has_the_published_number_of_parameters():
    n = sum(value.numel() for value in EncoderBlock(196, 4).parameters())
    assert n == 4 * 196 + 196 * 588 + 588 + 2 * 4 * 196**2 + 5 * 196


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="10 is no multiple of 4"):
        EncoderBlock(10, 4)


def test_channels_of_a_map_read_those_of_the_nodes():
    torch.manual_seed(0)
    attend = ChannelAttention(16).eval()
    tokens, nodes = torch.randn(2, 16, 7), torch.randn(2, 16, 3)
    made = attend(tokens, nodes)
    assert made.shape == tokens.shape
    channels = torch.cat([tokens, nodes], dim=2).transpose(1, 2)
    torch.testing.assert_close(made.transpose(1, 2), attend.block(channels)[:, :7])
    changed = attend(tokens, nodes.roll(1, dims=1)) - made
    assert (changed.abs().amax(dim=(0, 1)) > 1e-4).all()
