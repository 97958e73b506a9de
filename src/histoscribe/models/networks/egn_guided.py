"""What both forms of the Exemplar Guided Network share: settings, inputs and the way through."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.errors import DataContractError, Problem
from histoscribe.metrics.loss import mse_and_pcc_loss
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles, patch_problem
from histoscribe.models.networks.egn_parts import (
    AttentionPool,
    ExemplarState,
    PatchTokens,
    TransformerLayer,
)
from histoscribe.types import Output

Sight = Literal["exemplars", "feature", "image"]
_FIELDS: Mapping[Sight, tuple[str, ...]] = {
    "exemplars": ("image", "feature", "exemplar_feature", "exemplar_target"),
    "feature": ("image", "feature"),
    "image": ("image",),
}


@dataclass(frozen=True, kw_only=True)
class GuidedConfig:
    """Size, sight and training of an Exemplar Guided Network."""

    sees: Sight = "exemplars"
    """What is used beside the image: exemplars and the spot's own feature; the feature alone (the
    rows "no exemplar-bridging block" and "no exemplars"); nothing (the row "backbone only")."""
    patch_px: int = 32
    """Side of a patch; the side of a tile is a multiple of it."""
    dim: int = 1024
    """Width of every token."""
    depth: int = 8
    """Transformer layers."""
    heads: int = 16
    """Attention heads of a layer; they divide `dim`."""
    mlp: int = 4096
    """Hidden width of a layer's perceptron."""
    bridge_heads: int = 8
    """Heads of an exemplar-bridging block, each with its own gate a patch."""
    bridge_dim: int = 64
    """Width of each of them."""
    bridge_every: int = 2
    """Every so many layers hold a bridging block."""
    pcc_weight: float = 1.0
    """Weight of the correlation loss beside the mean squared error."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW."""
    weight_decay: float = 1e-4
    """Of AdamW."""

    def __post_init__(self) -> None:
        problems = list(_size_problems(self))
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def small(cls) -> "GuidedConfig":
        """The size that trains on two cores, on tiles of 32 to 64 px."""
        return cls(
            patch_px=8, dim=128, depth=4, heads=4, mlp=256, bridge_heads=4, bridge_dim=32,
            learning_rate=1e-3,
        )  # fmt: skip

    @classmethod
    def tiny(cls) -> "GuidedConfig":
        """Settings for tests."""
        return cls(
            patch_px=8, dim=32, depth=2, heads=2, mlp=64, bridge_heads=2, bridge_dim=8,
            bridge_every=1, learning_rate=3e-3,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Projector:
    """Layers that bring a spot and its exemplars to the width of the tokens."""

    enter: nn.Module
    """First step of the spot's own feature."""
    join: nn.Module
    """First step of an exemplar's feature and expression, side by side."""
    shared: nn.Module
    """Second step of both."""
    expression: nn.Module
    """The way of an exemplar's expression alone."""


class GuidedNetwork(ExpressionModel):
    """Image tokens that pass through a vision transformer and trade with exemplars on the way.

    A form gives its projector, its bridging block and what stands before pooling and head. What a
    network does not see, it has no layer for. Expression of exemplars is read as its difference
    from the training mean, which a bias of the first layer could do as well.
    """

    re_adds_position: ClassVar[bool] = False
    """Whether every attention layer is told the positions anew."""
    feature_mean: Tensor
    feature_scale: Tensor
    target_mean: Tensor
    enter: nn.Module
    join: nn.Module
    shared: nn.Module
    expression: nn.Module
    layers: Any  # a ModuleList: its type hides the two halves of its layers

    def __init__(self, facts: Facts, config: GuidedConfig) -> None:
        super().__init__(facts, config)
        problem = self.tile_problem(config, facts.tile_px)
        if problem is not None:
            raise DataContractError(problem)
        n_tokens = (facts.tile_px // config.patch_px) ** 2
        n_joined = config.dim if config.sees == "image" else 2 * config.dim
        self.tiles = NormalisedTiles(facts)
        self.patches = PatchTokens(config.patch_px, config.dim)
        self.position = nn.Parameter(torch.empty(n_tokens, config.dim))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(config.dim, config.heads, config.mlp) for _ in range(config.depth)
        )
        self.bridges = nn.ModuleDict()
        if config.sees != "image":
            self._add_projector(facts)
        if config.sees == "exemplars":
            self._add_bridges(n_tokens)
        self.token_norm: nn.Module = nn.Identity()
        self.pool = AttentionPool(config.dim)
        self.joined_norm: nn.Module = nn.Identity()
        self.head = GeneHead(n_joined, facts)

    def _add_projector(self, facts: Facts) -> None:
        projector = self.make_projector(len(facts.feature_mean), len(facts.target_mean))
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        self.enter, self.shared = projector.enter, projector.shared
        if self.config.sees == "exemplars":
            self.register_buffer("target_mean", torch.from_numpy(facts.target_mean).float())
            self.join, self.expression = projector.join, projector.expression

    def _add_bridges(self, n_tokens: int) -> None:
        every, depth = self.config.bridge_every, self.config.depth
        for number in range(every, depth + 1, every):
            last = number + every > depth
            self.bridges[str(number)] = self.make_bridge(n_tokens, last=last)

    @abstractmethod
    def make_projector(self, width: int, n_genes: int) -> Projector:
        """Make the layers that read features of `width` and expression of `n_genes`."""

    @abstractmethod
    def make_bridge(self, n_tokens: int, *, last: bool) -> nn.Module:
        """Make one exchange of `n_tokens` image tokens with query and exemplars.

        It takes and gives the three; the `last` has no layer for exemplars, as none reads them.
        """

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        feature: Float[Tensor, "B D"] | None = None,
        exemplar_feature: Float[Tensor, "B E D"] | None = None,
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Output:
        """Predict the genes of each spot; the order of its exemplars has no meaning."""
        return Output(self.head(self.represent(image, feature, exemplar_feature, exemplar_target)))

    def represent(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        feature: Float[Tensor, "B D"] | None = None,
        exemplar_feature: Float[Tensor, "B E D"] | None = None,
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Float[Tensor, "B R"]:
        """Give the pooled image and, beside it, what has become of the spot's own feature."""
        tokens = self.patches(self.tiles(image)) + self.position
        again = self.position if self.re_adds_position else None
        query, exemplars = None, None
        if feature is not None and self.config.sees != "image":
            query = self._query(feature)
        if exemplar_feature is not None and exemplar_target is not None and self.bridges:
            exemplars = self._recall(exemplar_feature, exemplar_target)
        for number, layer in enumerate(self.layers, start=1):
            tokens = layer.attend(tokens, again)
            if str(number) in self.bridges:
                tokens, query, exemplars = self.bridges[str(number)](tokens, query, exemplars)
            tokens = layer.think(tokens)
        pooled = self.pool(self.token_norm(tokens))
        return self.joined_norm(pooled if query is None else torch.cat([pooled, query], dim=1))

    def loss(
        self, predicted: Float[Tensor, "B G"], target: Float[Tensor, "B G"]
    ) -> Float[Tensor, ""]:
        """Mean squared error, plus one minus the genes' mean correlation over the batch."""
        return mse_and_pcc_loss(predicted, target, self.config.pcc_weight)

    @classmethod
    def inputs(cls, config: GuidedConfig) -> tuple[str, ...]:
        """Only what the settings let it see."""
        return _FIELDS[config.sees]

    @classmethod
    def tile_problem(cls, config: Any, tile_px: int) -> Problem | None:
        """Tiles are cut in whole patches."""
        return patch_problem(cls.name, config.patch_px, tile_px)

    def _query(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """h^0."""
        return self.shared(self.enter(self._standardised(feature)))

    def _recall(
        self, feature: Float[Tensor, "B E D"], target: Float[Tensor, "B E G"]
    ) -> ExemplarState:
        """r^0 and s^0."""
        expression = target - self.target_mean
        joined = torch.cat([self._standardised(feature), expression], dim=-1)
        return ExemplarState(self.shared(self.join(joined)), self.expression(expression))

    def _standardised(self, feature: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return (feature - self.feature_mean) / self.feature_scale


def _size_problems(config: GuidedConfig) -> Iterator[str]:
    """Settings that no network can be made of."""
    if config.sees not in get_args(Sight):
        yield f"sees = {config.sees!r}: choose {', '.join(get_args(Sight))}"
    sizes = ("patch_px", "dim", "depth", "heads", "mlp", "bridge_heads", "bridge_dim")
    small = [name for name in (*sizes, "bridge_every") if getattr(config, name) < 1]
    if small:
        yield f"{', '.join(small)}: at least 1 each"
    elif config.dim % config.heads:
        yield f"heads share out dim: {config.dim} is no multiple of {config.heads}"
    if config.sees == "exemplars" and config.bridge_every > config.depth:
        yield (
            f"bridge_every = {config.bridge_every}: none of {config.depth} layers has a bridging "
            'block; a network without exemplars is sees = "feature"'
        )
