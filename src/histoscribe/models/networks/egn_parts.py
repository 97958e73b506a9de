"""Parts of both forms of the Exemplar Guided Network: the vision transformer."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class ExemplarState:
    """State of the exemplars of each spot, passed from block to block."""

    code: Float[Tensor, "B E d"]
    """r_j: feature and expression of an exemplar."""
    expression: Float[Tensor, "B E d"]
    """s_j: expression of an exemplar."""


@final
class PatchTokens(nn.Module):
    """Cuts an image in square patches and maps each to a token, row by row."""

    def __init__(self, patch_px: int, dim: int) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.embed = nn.Linear(3 * patch_px**2, dim)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N d"]:
        """One token per patch."""
        n_spots, _, side_px, _ = image.shape
        n_side, p = side_px // self.patch_px, self.patch_px
        patches = image.view(n_spots, 3, n_side, p, n_side, p).permute(0, 2, 4, 3, 5, 1)
        return self.embed(patches.reshape(n_spots, n_side**2, 3 * p * p))


@final
class TransformerLayer(nn.Module):
    """One layer of a vision transformer in two halves, with room for an exchange between.

    Dosovitskiy et al. 2021, eq. 2 and 3; arXiv:2010.11929.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)
        )

    def attend(
        self, tokens: Float[Tensor, "B N d"], position: Float[Tensor, "N d"] | None
    ) -> Float[Tensor, "B N d"]:
        """Add multi-head attention; a given `position` is added to its input."""
        read = tokens if position is None else tokens + position
        parts = self.qkv(self.attention_norm(read)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return tokens + self.out(mixed.transpose(1, 2).flatten(2))

    def think(self, tokens: Float[Tensor, "B N d"]) -> Float[Tensor, "B N d"]:
        """Add the layer's perceptron, token by token."""
        return tokens + self.mlp(tokens)


@final
class AttentionPool(nn.Module):
    """The mean of the tokens plus half their mean under attention, feature by feature.

    p = mean_n S_n + 0.5 sum_n softmax_n(0.1 S_n) * S_n with S = W z: class-specific residual
    attention (Zhu and Wu 2021, arXiv:2108.02456) with features in place of classes. The temperature
    multiplies, as in the released code of the network, so attention is nearly flat.
    """

    share, temperature = 0.5, 0.1

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, dim)

    def forward(self, tokens: Float[Tensor, "B N d"]) -> Float[Tensor, "B d"]:
        """Pool over tokens."""
        score = self.score(tokens)
        attention = (self.temperature * score).softmax(dim=1)
        return score.mean(dim=1) + self.share * torch.einsum("bnd,bnd->bd", attention, score)


@final
class Gates(nn.Module):
    """Gates: how much of each exemplar's expression enters the query, and the exemplar.

    sigmoid(MLP_m([h - r_j, r_j])) or, for the paper, sigmoid(MLP_m([h, h - r_j])): both are linear
    in h and r_j up to the hidden layer, so the first layer is applied to h once, not per exemplar.
    """

    def __init__(self, dim: int, hidden: int, *, reads_query: bool, n_gates: int) -> None:
        """`reads_query`: the paper's order; `n_gates`: 1 if no later block reads the exemplar."""
        super().__init__()
        self.dim, self.reads_query, self.n_gates = dim, reads_query, n_gates
        self.hidden = nn.Linear(2 * dim, hidden)
        self.out = nn.Linear(hidden, n_gates * dim)

    def forward(
        self, query: Float[Tensor, "B d"], code: Float[Tensor, "B E d"]
    ) -> tuple[Float[Tensor, "B E d"], ...]:
        """Gates in 0..1 for query and, with two gates, exemplar."""
        first, second = self.hidden.weight.split(self.dim, dim=1)
        of_query = first + second if self.reads_query else first
        of_code = -second if self.reads_query else second - first
        hidden = functional.linear(query, of_query, self.hidden.bias)[:, None]
        hidden = hidden + functional.linear(code, of_code)
        return self.out(functional.silu(hidden)).sigmoid().chunk(self.n_gates, dim=-1)
