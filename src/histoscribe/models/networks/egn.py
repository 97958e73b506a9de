"""The Exemplar Guided Network as in its paper."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import Facts, register
from histoscribe.models.networks.egn_guided import GuidedConfig, GuidedNetwork
from histoscribe.models.networks.egn_parts import ExemplarState, Gates
from histoscribe.models.recipe import Recipe, exemplar_guided


@dataclass(frozen=True, kw_only=True)
class EGNConfig(GuidedConfig):
    """Settings of the paper's network."""

    projector: bool = True
    """Two layers with ReLU for features, the first one shared by a spot and its exemplars; false:
    one linear map each (the row "no projector", whose linear maps the paper does not describe).
    """


class PaperNetwork(GuidedNetwork):
    """Projector and blocks of the paper, in its corrected version."""

    config: EGNConfig

    def __init__(self, facts: Facts, config: EGNConfig) -> None:
        super().__init__(facts, config)
        self.token_norm = nn.LayerNorm(config.dim)

    @classmethod
    def recipe(cls, config: EGNConfig) -> Recipe:
        """AdamW, one cosine."""
        return exemplar_guided(config.learning_rate, config.weight_decay)

    def add_projector(self, width: int, n_genes: int) -> None:
        """MLP_h and MLP_r, and MLP_s, one linear layer."""
        dim, guided = self.config.dim, self.config.sees == "exemplars"
        kind = SharedBottom if self.config.projector else LinearMaps
        self.projector = kind(width, n_genes if guided else 0, dim)
        if guided:
            self.expression = nn.Linear(n_genes, dim)

    def project_spot(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """MLP_h(e)."""
        return self.projector.spot(feature)

    def project_exemplars(
        self, feature: Float[Tensor, "B E D"], expression: Float[Tensor, "B E G"]
    ) -> ExemplarState:
        """MLP_r([e_j, y_j]) and MLP_s(y_j)."""
        code = self.projector.exemplars(torch.cat([feature, expression], dim=-1))
        return ExemplarState(code, self.expression(expression))

    def make_bridge(self, n_tokens: int, *, last: bool) -> nn.Module:
        """Bridging block of the paper."""
        return Bridge(self.config, n_tokens, last=last)


@final
@register("egn")
class EGN(PaperNetwork):
    """A spot's image read with the look and the expression of the training spots most like it.

    Yang et al., WACV 2023, equations as in `docs/methods/egn.md`.
    """

    paper = "arXiv:2210.16721"
    Config = EGNConfig


@final
class SharedBottom(nn.Module):
    """MLP_h and MLP_r: a shared layer with ReLU, then one linear layer each.

    The shared layer reads feature and expression. For the spot itself the expression is the
    training mean, 0 when centred, so only the columns of the feature take part.
    """

    def __init__(self, width: int, n_genes: int, dim: int) -> None:
        """`n_genes` is 0 without exemplars."""
        super().__init__()
        self.width = width
        self.bottom = nn.Linear(width + n_genes, dim)
        self.of_spot = nn.Linear(dim, dim)
        if n_genes:
            self.of_exemplar = nn.Linear(dim, dim)

    def spot(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """Query: h = W_h relu(W [e, 0] + b)."""
        weight = self.bottom.weight[:, : self.width]
        return self.of_spot(functional.linear(feature, weight, self.bottom.bias).relu())

    def exemplars(self, joined: Float[Tensor, "B E joined"]) -> Float[Tensor, "B E d"]:
        """Codes: r_j = W_r relu(W [e_j, y_j] + b)."""
        return self.of_exemplar(self.bottom(joined).relu())


@final
class LinearMaps(nn.Module):
    """One linear map for a spot, one for its exemplars."""

    def __init__(self, width: int, n_genes: int, dim: int) -> None:
        """`n_genes` is 0 without exemplars."""
        super().__init__()
        self.of_spot = nn.Linear(width, dim)
        if n_genes:
            self.of_exemplar = nn.Linear(width + n_genes, dim)

    def spot(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """Query: h = W e."""
        return self.of_spot(feature)

    def exemplars(self, joined: Float[Tensor, "B E joined"]) -> Float[Tensor, "B E d"]:
        """Codes: r_j = W [e_j, y_j]."""
        return self.of_exemplar(joined)


@final
class Bridge(nn.Module):
    """The exemplar-bridging block.

    s' = Linear(s), h^ = h + mean_j m_h * s'_j, r' = r + m_r * s', then with one gate k per patch
    and head O_h, O_z = chunk(MLP_o(Z) * k(h^)), Z' = Z + Linear(O_z), h' = h^ + Linear(mean O_h).
    Layers that add to Z and h have no bias, so a block with closed gates changes nothing.
    """

    def __init__(self, config: GuidedConfig, n_tokens: int, *, last: bool) -> None:
        super().__init__()
        dim, heads, inner = config.dim, config.bridge_heads, config.bridge_heads * config.bridge_dim
        self.heads, self.last = heads, last
        self.expression = nn.Linear(dim, dim)
        self.gates = Gates(dim, 4 * config.bridge_dim, reads_query=True, n_gates=1 if last else 2)
        self.opening = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, n_tokens * heads))
        self.norm = nn.LayerNorm(dim)
        self.from_tokens = nn.Linear(dim, 2 * inner)
        self.to_query = nn.Linear(inner, dim, bias=False)
        self.to_tokens = nn.Linear(inner, dim, bias=False)

    def forward(
        self,
        tokens: Float[Tensor, "B N d"],
        query: Float[Tensor, "B d"],
        exemplars: ExemplarState,
    ) -> tuple[Float[Tensor, "B N d"], Float[Tensor, "B d"], ExemplarState]:
        """Update query and exemplars by each other, then query and image tokens."""
        code, expression = exemplars.code, self.expression(exemplars.expression)
        gates = self.gates(query, code)
        query = query + (gates[0] * expression).mean(dim=1)
        if not self.last:
            code = code + gates[1] * expression
        opening = self.opening(query).sigmoid().unflatten(-1, (-1, 1, self.heads, 1))
        traded = self.from_tokens(self.norm(tokens)).unflatten(-1, (2, self.heads, -1)) * opening
        for_query, for_tokens = traded.flatten(3).unbind(dim=2)
        tokens = tokens + self.to_tokens(for_tokens)
        query = query + self.to_query(for_query.mean(dim=1))
        return tokens, query, ExemplarState(code, expression)
