"""Nyström attention approximates attention, and no item changes another."""

import pytest
import torch

from histoscribe.models.layers.nystroem import NystroemAttention, factors, pseudo_inverse


def smooth_tokens(n_items, n_tokens, width, seed=0):
    """Tokens that change slowly from one to the next, as along tissue."""
    draws = torch.Generator().manual_seed(seed)
    start = torch.randn(n_items, 6, width, generator=draws, dtype=torch.float64)
    line = torch.nn.functional.interpolate(
        start.transpose(1, 2), n_tokens, mode="linear", align_corners=True
    )
    return line.transpose(1, 2)


def made(width=16, heads=2, landmarks=8):
    torch.manual_seed(0)
    return NystroemAttention(width, heads, landmarks, dropout=0.0).double()


def softmax_attention(query, key):
    return (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(dim=-1)


def test_the_pseudo_inverse_of_an_attention_matrix_is_numpys():
    draws = torch.Generator().manual_seed(0)
    matrices = (4 * torch.eye(6) + torch.randn(3, 2, 6, 6, generator=draws)).softmax(dim=-1)
    matrices = matrices.double()
    torch.testing.assert_close(
        pseudo_inverse(matrices), torch.linalg.pinv(matrices), atol=1e-4, rtol=0
    )


def test_an_item_keeps_its_pseudo_inverse_whatever_its_batch():
    """Scaled by the largest entry of a batch, the first would change with the second."""
    draws = torch.Generator().manual_seed(1)
    one = torch.randn(1, 2, 8, 8, generator=draws).softmax(dim=-1)
    sharp = (8 * torch.randn(1, 2, 8, 8, generator=draws)).softmax(dim=-1)
    both = pseudo_inverse(torch.cat([one, sharp]))
    torch.testing.assert_close(both[:1], pseudo_inverse(one), atol=1e-5, rtol=1e-5)


def test_the_factors_approximate_attention_of_smooth_tokens():
    tokens = smooth_tokens(2, 400, 8)[:, None]
    first, inverse, last = factors(tokens, tokens, 32)
    whole = softmax_attention(tokens, tokens)
    error = (first @ inverse @ last - whole).abs().sum(dim=-1)
    assert error.max() < 0.1, "of rows that sum to one"


@pytest.mark.parametrize("n_tokens", [1, 7, 8])
def test_no_more_tokens_than_landmarks_get_full_attention(n_tokens):
    attention, tokens = made(), smooth_tokens(2, n_tokens, 16)
    query, key, value = attention._split(tokens)
    mixed = (softmax_attention(query, key) @ value).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention(tokens), attention.out(mixed))


@pytest.mark.parametrize("n_tokens", [7, 100])
def test_the_row_of_a_token_gives_its_output(n_tokens):
    attention, tokens = made(), smooth_tokens(2, n_tokens, 16)
    row = attention.row(tokens, 3)
    value = attention._split(tokens)[2]
    mixed = (row[:, :, None] @ value).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention(tokens)[:, 3:4], attention.out(mixed))


def test_batch_mates_change_nothing():
    attention, tokens = made(), smooth_tokens(2, 100, 16)
    with_large = torch.cat([tokens, 50 * tokens])
    torch.testing.assert_close(attention(with_large)[:2], attention(tokens), atol=1e-12, rtol=0)
