"""Any model of spots over a bag: the mean of its predictions for all tiles.

`docs/methods/mean-pool.md` explains memory and normalisation.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from histoscribe.errors import Problem
from histoscribe.models.base import (
    ExpressionModel,
    Facts,
    make_config,
    model_class,
    register,
)
from histoscribe.models.bounds import Count
from histoscribe.models.layers.count_head import count_rate
from histoscribe.models.layers.tile_features import check_tiles
from histoscribe.models.recipe import Recipe
from histoscribe.types import BagImages, Labels, Output

_FIELDS = {"feature": "context_feature", "image": "context_image"}
"""Input of a model of spots -> the input of a bag that has it for every tile."""
_MOMENT_TILES = 64  # tiles of a batch that renew the moments of batch normalisation

_Images = BagImages | UInt8[Tensor, "B K 3 P P"] | Float[Tensor, "B K 3 P P"] | None
_Rows = Int[Tensor, " n"]


@dataclass(frozen=True, kw_only=True)
class MeanPoolConfig:
    """The model of spots, and the number of tiles that it reads at once."""

    of: str = "mlp"
    """Name of the model of spots, which reads the feature or the tile of a spot."""
    inner: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that model, and `preset`."""
    chunk: Count = 64
    """Tiles in memory at a time; the result does not depend on it."""

    def __post_init__(self) -> None:
        names = self.inner_class.inputs(self.inner_config)
        unread = [name for name in names if name not in _FIELDS]
        if unread:
            raise ValueError(f"of = {self.of!r}: it reads {unread[0]}, which tiles of a bag lack")

    @property
    def inner_class(self) -> type[ExpressionModel]:
        """Class of the model of spots. Raises ValueError for any other model."""
        cls = model_class(self.of)
        if not issubclass(cls, ExpressionModel) or cls.item != "spot":
            raise ValueError(f"of = {self.of!r}: must be a network whose item is a spot")
        return cls

    @property
    def inner_config(self) -> Any:
        """Settings of the model of spots, complete."""
        return make_config(self.of, self.inner)

    @classmethod
    def tiny(cls) -> "MeanPoolConfig":
        """Settings for tests."""
        return cls(inner={"preset": "tiny"}, chunk=16)


@final
@register("mean-pool")
class MeanPool(ExpressionModel):
    """Predicts a bag by the mean prediction of a spot model over all tiles."""

    paper = "baseline"
    Config = MeanPoolConfig
    item = "bag"

    def __init__(self, facts: Facts, config: MeanPoolConfig) -> None:
        super().__init__(facts, config)
        # this model has the count head; the one of spots gives the output of its last layer
        of_spots = replace(facts, target_mean=facts.output_start, counts=None, count_start=None)
        self.net = config.inner_class(of_spots, config.inner_config)

    def forward(
        self,
        present: Bool[Tensor, "B K"],
        context_feature: Float[Tensor, "B K D"] | None = None,
        context_image: _Images = None,
    ) -> Output:
        """Predict the genes of each bag."""
        return self.read(self.represent(present, context_feature, context_image))

    def represent(
        self,
        present: Bool[Tensor, "B K"],
        context_feature: Float[Tensor, "B K D"] | None = None,
        context_image: _Images = None,
    ) -> Float[Tensor, "B G"]:
        """Mean prediction of all tiles: it is what the bag is read off, not a hidden layer.

        For counts their mean rate, for outputs before their softplus are nearly logarithms.
        """
        tiles = _Tiles(present, context_feature, context_image)
        if self.count_head is None:
            return self._mean(tiles, lambda inputs: self.net(**inputs).expression)
        return self._mean(tiles, lambda inputs: count_rate(self.net(**inputs).expression))

    def read(self, representation: Float[Tensor, "B G"]) -> Output:
        """The mean itself; for counts with the distribution around it."""
        if self.count_head is None:
            return Output(representation)
        counts = self.count_head.around(representation)
        return Output(counts.mean, counts=counts)

    def loss(self, output: Output, labels: Labels) -> Float[Tensor, ""]:
        """Loss of the model of spots, over bags."""
        return self.net.loss(output, labels)

    @classmethod
    def recipe(cls, config: MeanPoolConfig) -> Recipe:
        """Optimiser and rates of the model of spots; tiles stay as they are."""
        inner = config.inner_class.recipe(config.inner_config)
        return replace(inner, turned="no", epochs=None, batch_size=None)

    def start_from(self, weights: Path) -> None:
        """Load the initial weights of the model of spots."""
        self.net.start_from(weights)

    def train(self, mode: bool = True) -> "MeanPool":  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; batch normalisation keeps to its running moments in training, too."""
        super().train(mode)
        for layer in self._normalisations():
            layer.eval()
        return self

    @classmethod
    def inputs(cls, config: MeanPoolConfig) -> tuple[str, ...]:
        """What the model of spots reads, for every tile of a bag."""
        names = config.inner_class.inputs(config.inner_config)
        return (*(_FIELDS[name] for name in names), "present")

    @classmethod
    def initial_encoder(cls, config: MeanPoolConfig) -> str | None:
        """Encoder whose weights the model of spots starts from."""
        return config.inner_class.initial_encoder(config.inner_config)

    @classmethod
    def tile_problem(cls, config: MeanPoolConfig, tile_px: int) -> Problem | None:
        """Problem of the model of spots with tiles of this side."""
        return config.inner_class.tile_problem(config.inner_config, tile_px)

    def _mean(
        self, tiles: "_Tiles", ask: Callable[[Mapping[str, Tensor]], Float[Tensor, "n W"]]
    ) -> Float[Tensor, "B W"]:
        """Mean of the answers for the tiles of each bag, chunk by chunk.

        With gradients, a chunk keeps no layers: they are computed again when its gradient is.
        """
        self._renew_moments(tiles)

        def sums(bag: _Rows, tile: _Rows) -> Float[Tensor, "B W"]:
            answer = ask(tiles.read(bag, tile))
            empty = answer.new_zeros(len(tiles.present), answer.shape[1])
            return empty.index_add(0, bag, answer)

        total: Tensor | float = 0.0
        for bag, tile in tiles.chunks(self.config.chunk):
            if torch.is_grad_enabled():
                total = total + checkpoint(sums, bag, tile, use_reentrant=False)
            else:
                total = total + sums(bag, tile)
        return total / tiles.present.sum(dim=1, keepdim=True)

    def _normalisations(self) -> list[nn.Module]:
        return [layer for layer in self.net.modules() if isinstance(layer, _BatchNorm)]

    @torch.no_grad()
    def _renew_moments(self, tiles: "_Tiles") -> None:
        """In training, move the running moments towards those of evenly spaced tiles."""
        layers = self._normalisations()
        if not self.training or not layers:
            return
        for layer in layers:
            layer.train()
        self.net(**tiles.read(*tiles.spaced(_MOMENT_TILES)))
        for layer in layers:
            layer.eval()


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Tiles of all bags of a batch, without padding."""

    present: Bool[Tensor, "B K"]
    feature: Float[Tensor, "B K D"] | None
    image: _Images

    def __post_init__(self) -> None:
        check_tiles(self.present)

    def chunks(self, size: int) -> Iterator[tuple[_Rows, _Rows]]:
        """Bag and place of each tile, chunk by chunk."""
        bag, tile = self.present.nonzero(as_tuple=True)
        yield from zip(bag.split(size), tile.split(size), strict=True)

    def spaced(self, number: int) -> tuple[_Rows, _Rows]:
        """Bag and place of this number of evenly spaced tiles, or of all if there are fewer."""
        bag, tile = self.present.nonzero(as_tuple=True)
        rows = torch.linspace(0, len(bag) - 1, min(number, len(bag)), device=bag.device).long()
        return bag[rows], tile[rows]

    def read(self, bag: _Rows, tile: _Rows) -> dict[str, Tensor]:
        """Inputs of the model of spots for these tiles."""
        inputs = {}
        if self.feature is not None:
            inputs["feature"] = self.feature[bag, tile]
        if isinstance(self.image, BagImages):
            inputs["image"] = self.image.read(bag, tile)
        elif self.image is not None:
            inputs["image"] = self.image[bag, tile]
        return inputs
