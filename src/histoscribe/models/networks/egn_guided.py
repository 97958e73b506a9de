"""Shared base of both forms of the Exemplar Guided Network: settings, inputs, layers."""

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
from histoscribe.types import Labels, Output

Sight = Literal["exemplars", "feature", "image"]
_FIELDS: Mapping[Sight, tuple[str, ...]] = {
    "exemplars": ("image", "feature", "exemplar_feature", "exemplar_target"),
    "feature": ("image", "feature"),
    "image": ("image",),
}


@dataclass(frozen=True, kw_only=True)
class GuidedConfig:
    """Size, inputs and training of an Exemplar Guided Network."""

    sees: Sight = "exemplars"
    """Inputs besides the image: exemplars and the spot's feature; the feature alone (the rows "no
    exemplar-bridging block" and "no exemplars"); nothing (the row "backbone only").
    """
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
    """Heads of an exemplar-bridging block, each with one gate per patch."""
    bridge_dim: int = 64
    """Width of each of these heads."""
    bridge_every: int = 2
    """Number of layers from one bridging block to the next."""
    pcc_weight: float = 1.0
    """Weight of the correlation loss relative to the mean squared error."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""

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


class GuidedNetwork(ExpressionModel):
    """Image tokens in a vision transformer, with bridges to exemplars between its layers.

    A subclass gives the projector, the bridging block and the step before pooling and head. Inputs
    that a network does not use have no layers. Expression of exemplars is read as its difference
    from the training mean.
    """

    re_adds_position: ClassVar[bool] = False
    """Whether positions are added again before every attention layer."""
    scales_expression: ClassVar[bool] = True
    """Whether exemplars' expression is also divided by its training deviation, so that it has the
    scale of the features whatever the unit of the target.
    """
    feature_mean: Tensor
    feature_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor
    layers: Any  # a ModuleList: its type hides the two halves of its layers
    head: GeneHead

    def __init__(self, facts: Facts, config: GuidedConfig) -> None:
        super().__init__(facts, config)
        problem = self.tile_problem(config, facts.tile_px)
        if problem is not None:
            raise DataContractError(problem)
        n_tokens = (facts.tile_px // config.patch_px) ** 2
        n_joined = config.dim if config.sees == "image" else 2 * config.dim
        self.tiles = NormalisedTiles(facts.image_mean, facts.image_scale)
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
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        if self.config.sees == "exemplars":
            self.register_buffer("target_mean", torch.from_numpy(facts.target_mean).float())
            if self.scales_expression:
                self.register_buffer("target_scale", torch.from_numpy(facts.target_unit).float())
        self.add_projector(len(facts.feature_mean), len(facts.target_mean))

    def _add_bridges(self, n_tokens: int) -> None:
        every, depth = self.config.bridge_every, self.config.depth
        for number in range(every, depth + 1, every):
            last = number + every > depth
            self.bridges[str(number)] = self.make_bridge(n_tokens, last=last)

    @abstractmethod
    def add_projector(self, width: int, n_genes: int) -> None:
        """Add the layers that read features of `width` and expression of `n_genes`."""

    @abstractmethod
    def project_spot(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B d"]:
        """Initial query h^0, from the standardised feature of the spot."""

    @abstractmethod
    def project_exemplars(
        self, feature: Float[Tensor, "B E D"], expression: Float[Tensor, "B E G"]
    ) -> ExemplarState:
        """Initial states r^0 and s^0, from standardised features and centred expression."""

    @abstractmethod
    def make_bridge(self, n_tokens: int, *, last: bool) -> nn.Module:
        """Block that exchanges `n_tokens` image tokens with query and exemplars.

        It takes and returns all three; the `last` one has no layer for exemplars, because no later
        block reads them.
        """

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        feature: Float[Tensor, "B D"] | None = None,
        exemplar_feature: Float[Tensor, "B E D"] | None = None,
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Output:
        """Predict the genes of each spot; the order of its exemplars has no influence."""
        return self.read(self.represent(image, feature, exemplar_feature, exemplar_target))

    def represent(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        feature: Float[Tensor, "B D"] | None = None,
        exemplar_feature: Float[Tensor, "B E D"] | None = None,
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Float[Tensor, "B R"]:
        """The pooled image, concatenated with the final query of the spot's feature."""
        tokens = self.patches(self.tiles(image)) + self.position
        again = self.position if self.re_adds_position else None
        query, exemplars = None, None
        if feature is not None and self.config.sees != "image":
            query = self.project_spot(self.standardised(feature))
        if exemplar_feature is not None and exemplar_target is not None and self.bridges:
            exemplars = self.project_exemplars(
                self.standardised(exemplar_feature), self.standardised_expression(exemplar_target)
            )
        for number, layer in enumerate(self.layers, start=1):
            tokens = layer.attend(tokens, again)
            if str(number) in self.bridges:
                tokens, query, exemplars = self.bridges[str(number)](tokens, query, exemplars)
            tokens = layer.think(tokens)
        pooled = self.pool(self.token_norm(tokens))
        return self.joined_norm(pooled if query is None else torch.cat([pooled, query], dim=1))

    def loss(self, output: Output, labels: Labels) -> Float[Tensor, ""]:
        """Mean squared error, plus one minus the genes' mean correlation over the batch."""
        return mse_and_pcc_loss(output.expression, labels.target, self.config.pcc_weight)

    @classmethod
    def inputs(cls, config: GuidedConfig) -> tuple[str, ...]:
        """Fields that the settings select."""
        return _FIELDS[config.sees]

    @classmethod
    def tile_problem(cls, config: Any, tile_px: int) -> Problem | None:
        """Problem of tiles that cannot be cut into whole patches."""
        return patch_problem(cls.name, config.patch_px, tile_px)

    def standardised(self, feature: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Features minus their training mean, over their training deviation."""
        return (feature - self.feature_mean) / self.feature_scale

    def standardised_expression(self, target: Float[Tensor, "B E G"]) -> Float[Tensor, "B E G"]:
        """Expression minus its training mean; over its deviation if `scales_expression`."""
        difference = target - self.target_mean
        return difference / self.target_scale if self.scales_expression else difference


def _size_problems(config: GuidedConfig) -> Iterator[str]:
    """Problems of settings that describe no network."""
    if config.sees not in get_args(Sight):
        yield f"sees = {config.sees!r}: choose {', '.join(get_args(Sight))}"
    sizes = ("patch_px", "dim", "depth", "heads", "mlp", "bridge_heads", "bridge_dim")
    small = [name for name in (*sizes, "bridge_every") if getattr(config, name) < 1]
    if small:
        yield f"{', '.join(small)}: at least 1 each"
    elif config.dim % config.heads:
        yield f"heads must divide dim: {config.dim} is no multiple of {config.heads}"
    if config.sees == "exemplars" and config.bridge_every > config.depth:
        yield (
            f"bridge_every = {config.bridge_every}: none of {config.depth} layers has a bridging "
            'block; a network without exemplars is sees = "feature"'
        )
