"""Attention between pathway tokens and the spots of a section, without a mask of spots by spots."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

Flow = Literal["p2p", "p2h", "h2p", "h2h"]
"""Who reads whom: `p2h` lets pathway tokens (p) read spots (h, histology); the reader is first."""
FLOWS: tuple[Flow, ...] = get_args(Flow)

_ROWS = 512
"""Spots whose attention to all spots is in memory at once, for maps."""


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Attention weights of one layer in one section; rows sum to one over all keys of a reader.

    Zeros where a flow is closed.
    """

    pathway_to_pathway: Float[Tensor, "H P P"]
    """Weight of each pathway token (last axis) for each pathway token."""
    pathway_to_spot: Float[Tensor, "H P S"]
    """Weight of each spot for each pathway token."""
    spot_to_pathway: Float[Tensor, "H S P"]
    """Weight of each pathway token for each spot."""
    spot_to_spot: Float[Tensor, "H c S"]
    """Weight of each spot for some spots."""


@final
class PathwayAttention(nn.Module):
    """Multi-head attention in which each flow between pathways and spots is open or closed.

    Every token reads itself. The result is that of one encoder layer with a boolean mask over all
    pairs of tokens, but no array of spots by spots is made. Attention weights have no dropout:
    with it, PyTorch's attention on a CPU makes that array.
    """

    def __init__(self, width: int, n_heads: int, flows: Collection[Flow]) -> None:
        super().__init__()
        self._n_heads, self._flows = n_heads, frozenset(flows)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        pathways: Float[Tensor, "B P width"],
        spots: Float[Tensor, "M width"],
        sizes: Sequence[int],
    ) -> tuple[Float[Tensor, "B P width"], Float[Tensor, "M width"]]:
        """What each token reads; `sizes` divides the spots into sections, which go one by one."""
        read = [self._section(*of) for of in self._heads(pathways, spots, sizes)]
        read_pathways = torch.stack([_joined(part) for part, _ in read])
        return self.out(read_pathways), self.out(torch.cat([_joined(part) for _, part in read]))

    def maps(
        self,
        pathways: Float[Tensor, "B P width"],
        spots: Float[Tensor, "M width"],
        sizes: Sequence[int],
        rows: Int[Tensor, " c"],
    ) -> list[AttentionMaps]:
        """Attention weights of each section; spot to spot for the spots `rows` of each."""
        return [self._maps(p, s, rows) for p, s in self._heads(pathways, spots, sizes)]

    def _heads(
        self, pathways: Tensor, spots: Tensor, sizes: Sequence[int]
    ) -> list[tuple["_Heads", "_Heads"]]:
        """Queries, keys and values of the pathways and of the spots of each section."""
        of_spots = self.qkv(spots).split(list(sizes))
        return [
            (_Heads.of(p, self._n_heads), _Heads.of(s, self._n_heads))
            for p, s in zip(self.qkv(pathways), of_spots, strict=True)
        ]

    def _maps(self, p: "_Heads", s: "_Heads", rows: Int[Tensor, " c"]) -> AttentionMaps:
        n_pathways = p.k.shape[1]
        of_pathways = _pathway_weights(p, s, self._flows)
        return AttentionMaps(
            pathway_to_pathway=of_pathways[..., :n_pathways],
            pathway_to_spot=of_pathways[..., n_pathways:],
            spot_to_pathway=_weights_of_pathways(p, s, self._flows),
            spot_to_spot=_spot_weights(p, s, self._flows, rows)[..., n_pathways:],
        )

    def _section(self, p: "_Heads", s: "_Heads") -> tuple[Tensor, Tensor]:
        return _pathway_rows(p, s, self._flows), _spot_rows(p, s, self._flows)


@dataclass(frozen=True, eq=False)
class _Heads:
    """Queries, keys and values of tokens, by head."""

    q: Float[Tensor, "H n c"]
    k: Float[Tensor, "H n c"]
    v: Float[Tensor, "H n c"]

    @classmethod
    def of(cls, qkv: Float[Tensor, "n three_widths"], n_heads: int) -> "_Heads":
        width = qkv.shape[1] // (3 * n_heads)
        q, k, v = qkv.view(len(qkv), 3, n_heads, width).permute(1, 2, 0, 3)
        return cls(q, k, v)


def _joined(heads: Float[Tensor, "H n c"]) -> Float[Tensor, "n width"]:
    return heads.transpose(0, 1).flatten(1)


def _attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Bool[Tensor, "n m"] | None = None
) -> Float[Tensor, "H n c"]:
    # with a batch dimension: without one, torch takes the slow way with the array of all pairs
    read = functional.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)
    return read[0]


def _pathway_rows(p: _Heads, s: _Heads, flows: frozenset[Flow]) -> Float[Tensor, "H P c"]:
    if "p2h" in flows:
        k, v = torch.cat([p.k, s.k], dim=1), torch.cat([p.v, s.v], dim=1)
        return _attention(p.q, k, v, _pathway_mask(p, s, flows))
    return _attention(p.q, p.k, p.v) if "p2p" in flows else p.v


def _pathway_mask(p: _Heads, s: _Heads, flows: frozenset[Flow]) -> Bool[Tensor, "P n"] | None:
    """Keys that each pathway reads, of pathways and spots; None for all."""
    n, m = p.k.shape[1], s.k.shape[1]
    if {"p2p", "p2h"} <= flows:
        return None
    alone = torch.eye(n, dtype=torch.bool, device=p.k.device)
    others = torch.full((n, m), fill_value="p2h" in flows, device=p.k.device)
    return torch.cat([alone | ("p2p" in flows), others], dim=1)


def _spot_rows(p: _Heads, s: _Heads, flows: frozenset[Flow]) -> Float[Tensor, "H S c"]:
    if "h2h" in flows:
        if "h2p" not in flows:
            return _attention(s.q, s.k, s.v)
        return _attention(s.q, torch.cat([p.k, s.k], dim=1), torch.cat([p.v, s.v], dim=1))
    if "h2p" not in flows:
        return s.v
    weight = _pathways_and_self(s.q, p.k, s.k).to(s.v.dtype)
    return weight[..., :-1] @ p.v + weight[..., -1:] * s.v


def _pathways_and_self(q: Tensor, k_pathway: Tensor, k_spot: Tensor) -> Float[Tensor, "H S n"]:
    """Weights of the pathways and, last, of the spot itself."""
    own = (q * k_spot).sum(dim=2, keepdim=True)
    score = torch.cat([q @ k_pathway.transpose(1, 2), own], dim=2)
    return (score * q.shape[2] ** -0.5).softmax(dim=2)


def _pathway_weights(p: _Heads, s: _Heads, flows: frozenset[Flow]) -> Float[Tensor, "H P n"]:
    score = p.q @ torch.cat([p.k, s.k], dim=1).transpose(1, 2) / math.sqrt(p.q.shape[2])
    mask = _pathway_mask(p, s, flows)
    if mask is not None:
        score = score.masked_fill(~mask, -torch.inf)
    return score.softmax(dim=2)


def _weights_of_pathways(p: _Heads, s: _Heads, flows: frozenset[Flow]) -> Float[Tensor, "H S P"]:
    """Weights of the pathways for every spot."""
    if "h2p" not in flows:
        return s.k.new_zeros(len(s.k), s.k.shape[1], p.k.shape[1])
    if "h2h" not in flows:
        return _pathways_and_self(s.q, p.k, s.k)[..., :-1]
    every = torch.arange(s.k.shape[1], device=s.k.device)
    parts = [_spot_weights(p, s, flows, some)[..., : p.k.shape[1]] for some in every.split(_ROWS)]
    return torch.cat(parts, dim=1)


def _spot_weights(
    p: _Heads, s: _Heads, flows: frozenset[Flow], rows: Int[Tensor, " r"]
) -> Float[Tensor, "H r n"]:
    """Weights of pathways and spots for these spots."""
    q, n = s.q[:, rows], p.k.shape[1]
    score = q @ torch.cat([p.k, s.k], dim=1).transpose(1, 2) / math.sqrt(q.shape[2])
    others = torch.arange(s.k.shape[1], device=rows.device) != rows[:, None]
    closed = torch.zeros(len(rows), score.shape[2], dtype=torch.bool, device=rows.device)
    closed[:, :n] = "h2p" not in flows
    closed[:, n:] = others & ("h2h" not in flows)
    return score.masked_fill(closed, -torch.inf).softmax(dim=2)
