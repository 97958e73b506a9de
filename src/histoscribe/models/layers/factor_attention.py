"""Factorised attention with positions: its cost grows linearly with the number of tokens.

Xu et al. 2021 (CoaT), arXiv:2104.06399, section 3. Per head, with c channels:
`q / sqrt(c) * (softmax(k)^T v) + q . P(v)`, the softmax over tokens; P is a depthwise convolution,
whose windows grow from head to head.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_HEADS = 8
_WINDOWS = ((3, 2), (5, 3), (7, 3))  # side of the window, number of heads with this window


@final
class Positions(nn.Module):
    """Position terms shared by all blocks of a path: one depthwise convolution per kind.

    `absolute` is added to the tokens before a block (conditional position encoding);
    `relative` is P of the attention.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.absolute = nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width)
        self.shares = [width // N_HEADS * n_heads for _, n_heads in _WINDOWS]
        self.relative = nn.ModuleList(
            nn.Conv2d(share, share, kernel_size=side, padding=side // 2, groups=share)
            for share, (side, _) in zip(self.shares, _WINDOWS, strict=True)
        )

    def added(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """Tokens plus a convolution of their neighbourhood, which encodes position."""
        return x + self.absolute(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def around(self, value: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """Values of the neighbours, summed with learned weights: P(v)."""
        parts = value.permute(0, 3, 1, 2).split(self.shares, dim=1)
        seen = [look(part) for look, part in zip(self.relative, parts, strict=True)]
        return torch.cat(seen, dim=1).permute(0, 2, 3, 1)


@final
class FactorAttention(nn.Module):
    """Eight heads of factorised attention over the tokens of a map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "B H W C"], positions: Positions
    ) -> Float[Tensor, "B H W C"]:
        """Add a summary of all tokens and a sum over neighbours."""
        query, key, value = self.query_key_value(x).chunk(3, dim=3)
        return self.project(factorised(query, key, value) + query * positions.around(value))


def factorised(
    query: Float[Tensor, "B H W C"], key: Float[Tensor, "B H W C"], value: Float[Tensor, "B H W C"]
) -> Float[Tensor, "B H W C"]:
    """Give `q / sqrt(c) (softmax(k)^T v)` of each head, the softmax over all tokens."""
    q, k, v = (_heads(part) for part in (query, key, value))
    summary = k.softmax(dim=2).to(v.dtype).transpose(2, 3) @ v  # per head, channel by channel
    seen = (q @ summary) * q.shape[3] ** -0.5
    return seen.transpose(1, 2).reshape(query.shape)


def _heads(x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B heads N c"]:
    return x.flatten(1, 2).unflatten(2, (N_HEADS, -1)).transpose(1, 2)
