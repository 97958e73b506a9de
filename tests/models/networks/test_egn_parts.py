"""What both forms of the Exemplar Guided Network are made of, each against plain arithmetic."""

import pytest
import torch

from histoscribe.models.networks.egn_parts import (
    AttentionPool,
    Gates,
    PatchTokens,
    TransformerLayer,
)


def test_patches_are_squares_of_the_image_row_by_row_whatever_the_layout_in_memory():
    torch.manual_seed(0)
    patches = PatchTokens(4, 6)
    image = torch.randn(2, 3, 8, 8)
    for number, (top, left) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        square = image[:, :, top : top + 4, left : left + 4].permute(0, 2, 3, 1).flatten(1)
        torch.testing.assert_close(patches(image)[:, number], patches.embed(square))
    laid_out_otherwise = image.contiguous(memory_format=torch.channels_last)
    assert torch.equal(patches(laid_out_otherwise), patches(image))


def test_attention_is_the_softmax_of_scaled_products_head_by_head():
    torch.manual_seed(0)
    layer, tokens, position = TransformerLayer(8, 2, 16), torch.randn(1, 5, 8), torch.randn(5, 8)
    read = layer.attention_norm(tokens + position)
    query, key, value = layer.qkv(read).split(8, dim=-1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weight = (query[..., part] @ key[..., part].mT / 4**0.5).softmax(dim=-1)
        heads.append(weight @ value[..., part])
    expected = tokens + layer.out(torch.cat(heads, dim=-1))
    torch.testing.assert_close(layer.attend(tokens, position), expected)


def test_pooling_is_the_mean_plus_half_of_the_attended_mean():
    torch.manual_seed(0)
    pool, tokens = AttentionPool(3), torch.randn(1, 4, 3)
    score = pool.score(tokens)[0]
    for feature in range(3):
        weight = torch.exp(0.1 * score[:, feature])
        attended = (weight * score[:, feature]).sum() / weight.sum()
        expected = score[:, feature].mean() + 0.5 * attended
        torch.testing.assert_close(pool(tokens)[0, feature], expected)


@pytest.mark.parametrize("reads_query", [True, False])
def test_gates_are_a_perceptron_of_the_pair_and_not_of_a_rewriting(reads_query):
    torch.manual_seed(0)
    gates = Gates(8, 10, reads_query=reads_query, n_gates=2)
    query, code = torch.randn(2, 8), torch.randn(2, 4, 8)
    to_query, to_code = gates(query, code)
    for j in range(4):
        apart = query - code[:, j]
        pair = [query, apart] if reads_query else [apart, code[:, j]]
        hidden = torch.nn.functional.silu(gates.hidden(torch.cat(pair, dim=1)))
        expected = gates.out(hidden).sigmoid().split(8, dim=1)
        torch.testing.assert_close(to_query[:, j], expected[0])
        torch.testing.assert_close(to_code[:, j], expected[1])
