"""The Exemplar Guided Network as in its paper."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import Facts, register
from histoscribe.models.networks.egn_guided import GuidedConfig, GuidedNetwork, Projector
from histoscribe.models.networks.egn_parts import ExemplarState, Gates
from histoscribe.models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class EGNConfig(GuidedConfig):
    """Settings of the paper's network."""

    projector: bool = True
    """Two layers with ReLU before the first block; false: one linear map each (the row "no
    projector", whose linear maps the paper does not describe).
    """


@final
@register("egn")
class EGN(GuidedNetwork):
    """A spot's image read with the look and the expression of the training spots most like it.

    Yang et al., WACV 2023, equations as in `docs/methods/egn.md`.
    """

    paper = "arXiv:2210.16721"
    Config = EGNConfig
    config: EGNConfig

    def __init__(self, facts: Facts, config: EGNConfig) -> None:
        super().__init__(facts, config)
        self.token_norm = nn.LayerNorm(config.dim)

    @classmethod
    def recipe(cls, config: EGNConfig) -> Recipe:
        """AdamW, one cosine."""
        rate, decay = config.learning_rate, config.weight_decay
        return Recipe(learning_rate=rate, weight_decay=decay, schedule="cosine")

    def make_projector(self, width: int, n_genes: int) -> Projector:
        """MLP_h, shared by a spot and its exemplars (which have a linear layer first); MLP_s."""
        dim = self.config.dim
        if not self.config.projector:
            return Projector(
                enter=nn.Linear(width, dim),
                join=nn.Linear(width + n_genes, dim),
                shared=nn.Identity(),
                expression=nn.Linear(n_genes, dim),
            )
        return Projector(
            enter=nn.Identity(),
            join=nn.Linear(width + n_genes, width),
            shared=_two_layers(width, dim),
            expression=_two_layers(n_genes, dim),
        )

    def make_bridge(self, n_tokens: int, *, last: bool) -> nn.Module:
        """Bridging block of the paper."""
        return Bridge(self.config, n_tokens, last=last)


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


def _two_layers(width: int, dim: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.Linear(dim, dim))
