"""The Exemplar Guided Network as in its authors' released code."""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import Facts, register
from histoscribe.models.networks.egn_guided import GuidedConfig, GuidedNetwork
from histoscribe.models.networks.egn_parts import ExemplarState, Gates
from histoscribe.models.recipe import Recipe, exemplar_guided

_SHARED_BLOCKS = 2  # residual blocks of the projector


@dataclass(frozen=True, kw_only=True)
class ReleasedConfig(GuidedConfig):
    """Settings of the released code's network."""

    pcc_weight: float = 0.5
    """Weight of the correlation loss relative to the mean squared error."""


@final
@register("egn-released")
class ReleasedEGN(GuidedNetwork):
    """The same idea as `egn`, with the equations of the released code.

    Positions enter every attention layer, an exemplar's expression keeps its first projection, and
    the query that opens the gates is not the one passed on.
    """

    paper = "arXiv:2210.16721"
    Config = ReleasedConfig
    config: ReleasedConfig
    re_adds_position = True
    scales_expression = False

    def __init__(self, facts: Facts, config: ReleasedConfig) -> None:
        super().__init__(facts, config)
        nn.init.normal_(self.position)
        self.joined_norm = nn.LayerNorm(self.head.linear.in_features)

    @classmethod
    def recipe(cls, config: ReleasedConfig) -> Recipe:
        """AdamW, restarted twice an epoch."""
        recipe = exemplar_guided(config.learning_rate, config.weight_decay)
        return replace(
            recipe,
            schedule="warm-restarts",
            encoder="torchvision:resnet50",
            n_exemplars=6,
            keeps="best-on-test",
        )

    def add_projector(self, width: int, n_genes: int) -> None:
        """One linear map per input, then residual blocks shared by a spot and its exemplars."""
        dim = self.config.dim
        enter, join = nn.Linear(width, dim), nn.Linear(width + n_genes, dim)
        shared = nn.Sequential(*(_Residual(dim) for _ in range(_SHARED_BLOCKS)))
        expression = nn.Linear(n_genes, dim)
        self.enter, self.shared = enter, shared
        if self.config.sees == "exemplars":
            self.join, self.expression = join, expression

    def project_spot(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """T(W e)."""
        return self.shared(self.enter(feature))

    def project_exemplars(
        self, feature: Float[Tensor, "B E D"], expression: Float[Tensor, "B E G"]
    ) -> ExemplarState:
        """T(W [e_j, y_j]) and W y_j."""
        joined = self.join(torch.cat([feature, expression], dim=-1))
        return ExemplarState(self.shared(joined), self.expression(expression))

    def make_bridge(self, n_tokens: int, *, last: bool) -> nn.Module:
        """Bridging block of the released code."""
        return ReleasedBridge(self.config, n_tokens, last=last)


@final
class ReleasedBridge(nn.Module):
    """The exemplar-bridging block of the released code.

    v = Linear(s), q' = q + mean_j sigmoid(a_j) * v_j, r' = LN(r + sigmoid(b) * v), then with one
    gate k per patch and head V = Linear(LN x) * k(LN q'), x' = x + Linear(V) and, from the old q,
    q'' = q + Linear(mean V). s is passed on unchanged. Layers that add to x and q have no bias, so
    a block with closed gates changes neither.
    """

    def __init__(self, config: GuidedConfig, n_tokens: int, *, last: bool) -> None:
        super().__init__()
        dim, heads, inner = config.dim, config.bridge_heads, config.bridge_heads * config.bridge_dim
        self.heads, self.last = heads, last
        self.value = nn.Linear(dim, dim)
        self.gates = Gates(dim, 4 * config.bridge_dim, reads_query=False, n_gates=1 if last else 2)
        self.code_norm = nn.Identity() if last else nn.LayerNorm(dim)
        self.opening = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, n_tokens * heads))
        self.from_tokens = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, inner))
        self.to_query = nn.Linear(inner, dim, bias=False)
        self.to_tokens = nn.Linear(inner, dim, bias=False)

    def forward(
        self,
        tokens: Float[Tensor, "B N d"],
        query: Float[Tensor, "B d"],
        exemplars: ExemplarState,
    ) -> tuple[Float[Tensor, "B N d"], Float[Tensor, "B d"], ExemplarState]:
        """Exchange image tokens and query through gates that the exemplars open."""
        code, value = exemplars.code, self.value(exemplars.expression)
        gates = self.gates(query, code)
        revised = query + (gates[0] * value).mean(dim=1)
        if not self.last:
            code = self.code_norm(code + gates[1] * value)
        opening = self.opening(revised).sigmoid().unflatten(-1, (-1, self.heads, 1))
        traded = (self.from_tokens(tokens).unflatten(-1, (self.heads, -1)) * opening).flatten(2)
        tokens = tokens + self.to_tokens(traded)
        query = query + self.to_query(traded.mean(dim=1))
        return tokens, query, ExemplarState(code, exemplars.expression)


@final
class _Residual(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)
        )

    def forward(self, code: Float[Tensor, "*B d"]) -> Float[Tensor, "*B d"]:
        return code + self.mlp(code)
