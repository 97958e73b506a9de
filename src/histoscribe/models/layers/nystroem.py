"""Nyström attention: attention of N tokens through m landmarks, without an N x N matrix.

Xiong et al. 2021, arXiv:2102.03902. Each item has its own landmarks, and the pseudo-inverse is
scaled for each item and head, so an item does not depend on the others of its batch.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_ITERATIONS = 6  # of the pseudo-inverse, as in the paper


@final
class NystroemAttention(nn.Module):
    """Multi-head self-attention; full attention for items with no more tokens than landmarks.

    All items of a call have the same number of tokens: padding would take part in the landmarks.
    """

    def __init__(self, width: int, heads: int, landmarks: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.landmarks = heads, landmarks
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "B N R"]) -> Float[Tensor, "B N R"]:
        """Attend over the tokens of each item."""
        query, key, value = self._split(tokens)
        with torch.autocast(tokens.device.type, enabled=False):
            if tokens.shape[1] <= self.landmarks:
                mixed = functional.scaled_dot_product_attention(query, key, value)
            else:
                of_query, inverse, of_key = factors(query, key, self.landmarks)
                mixed = of_query @ (inverse @ (of_key @ value))
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))

    def row(self, tokens: Float[Tensor, "B N R"], number: int) -> Float[Tensor, "B heads N"]:
        """Attention of one token to all tokens: its row of the product of the factors.

        From the same factors as `forward`, never as a part of the N x N matrix. Through landmarks,
        a row need not sum to one, and can have small values below zero.
        """
        query, key, _ = self._split(tokens)
        with torch.autocast(tokens.device.type, enabled=False):
            if tokens.shape[1] <= self.landmarks:
                return _softmax(query[:, :, number : number + 1], key)[:, :, 0]
            of_query, inverse, of_key = factors(query, key, self.landmarks)
            return ((of_query[:, :, number : number + 1] @ inverse) @ of_key)[:, :, 0]

    def _split(
        self, tokens: Float[Tensor, "B N R"]
    ) -> tuple[Float[Tensor, "B h N d"], Float[Tensor, "B h N d"], Float[Tensor, "B h N d"]]:
        """Queries, keys and values of each head, in the precision of the weights."""
        parts = self.to_qkv(tokens).to(self.to_qkv.weight.dtype).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return query, key, value


def factors(
    query: Float[Tensor, "B h N d"], key: Float[Tensor, "B h N d"], n_landmarks: int
) -> tuple[Float[Tensor, "B h N m"], Float[Tensor, "B h m m"], Float[Tensor, "B h m N"]]:
    """Three factors whose product approximates softmax(q k^T / sqrt(d)).

    Landmarks are means of runs of consecutive tokens, of equal length up to one token.
    """
    query_marks, key_marks = _means(query, n_landmarks), _means(key, n_landmarks)
    inverse = pseudo_inverse(_softmax(query_marks, key_marks))
    return _softmax(query, key_marks), inverse, _softmax(query_marks, key)


def pseudo_inverse(matrix: Float[Tensor, "*B m m"]) -> Float[Tensor, "*B m m"]:
    """Moore-Penrose inverse by the iteration of Razavi et al. 2014 (equation 11 of the paper).

    It starts from the transpose, divided by the largest sums of rows and columns of this matrix:
    the largest of all matrices would let the items of a batch change each other.
    """
    size = matrix.abs()
    largest = size.sum(dim=-1).amax(dim=-1) * size.sum(dim=-2).amax(dim=-1)
    inverse = matrix.transpose(-1, -2) / largest[..., None, None]
    one = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(_ITERATIONS):
        product = matrix @ inverse
        inverse = 0.25 * inverse @ (13 * one - product @ (15 * one - product @ (7 * one - product)))
    return inverse


def _softmax(
    query: Float[Tensor, "B h n d"], key: Float[Tensor, "B h m d"]
) -> Float[Tensor, "B h n m"]:
    return (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(dim=-1)


def _means(values: Float[Tensor, "B h N d"], n_landmarks: int) -> Float[Tensor, "B h m d"]:
    """Mean of each run of consecutive tokens."""
    n_tokens = values.shape[2]
    run = torch.arange(n_tokens, device=values.device) * n_landmarks // n_tokens
    sums = values.new_zeros((*values.shape[:2], n_landmarks, values.shape[3]))
    sums = sums.index_add(2, run, values)
    return sums / torch.bincount(run, minlength=n_landmarks)[:, None]
