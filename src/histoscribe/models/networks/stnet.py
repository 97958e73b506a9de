"""ST-Net: a DenseNet on the tile, averaged over the tile's eight symmetries.

He et al. 2020, doi:10.1038/s41551-020-0578-x. `docs/methods/stnet.md` explains its learning rate
and our differences.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.batch_norm import BatchNorm
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles
from histoscribe.models.layers.pyramid import small_tile
from histoscribe.models.recipe import Recipe
from histoscribe.types import Labels, Output

_BLOCKS = (6, 12, 24, 16)
_GROWTH = 32
# files older than 2018, such as torchvision's, use a point where later names have none
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


@dataclass(frozen=True, kw_only=True)
class STNetConfig:
    """Size, initial weights and learning rate of the DenseNet; the default is the paper's."""

    blocks: tuple[int, ...] = _BLOCKS
    """Layers in each dense block."""
    growth: int = _GROWTH
    """Channels that each layer adds; the first convolution has twice as many."""
    weights: Literal["file", "random"] = "file"
    """Start from ImageNet's weights of DenseNet-121 in a file, or from random numbers."""
    learning_rate: float = 1e-6
    """Learning rate of SGD on squared errors that are summed over the batch and averaged over
    genes.
    """

    def __post_init__(self) -> None:
        if self.weights == "file" and (tuple(self.blocks), self.growth) != (_BLOCKS, _GROWTH):
            raise ValueError(
                f"published weights fit blocks {list(_BLOCKS)} and growth {_GROWTH}; blocks "
                f"{list(self.blocks)} and growth {self.growth} need weights = 'random'"
            )

    @classmethod
    def small(cls) -> "STNetConfig":
        """A size that trains on two cores from random numbers, which need larger steps."""
        return cls(blocks=(3, 6, 6, 3), growth=16, weights="random", learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "STNetConfig":
        """Settings for tests."""
        return cls(blocks=(1, 1), growth=8, weights="random", learning_rate=1e-3)


@final
@register("stnet")
class STNet(ExpressionModel):
    """Predicts a spot from its tile with DenseNet-121; starts at the training mean exactly."""

    paper = "doi:10.1038/s41551-020-0578-x"
    Config = STNetConfig
    pretrained = "torchvision:densenet121"

    def __init__(self, facts: Facts, config: STNetConfig) -> None:
        super().__init__(facts, config)
        from torchvision.models import DenseNet  # takes a second to import

        net = DenseNet(
            growth_rate=config.growth,
            block_config=tuple(config.blocks),
            num_init_features=2 * config.growth,
        )
        self.normalise = NormalisedTiles(facts.image_mean, facts.image_scale)
        self.features = _taking_one_value(net.features)
        self.head = GeneHead(net.classifier.in_features, facts, at_mean=True)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes; in evaluation the mean over the tile's eight symmetries."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """The pooled map; in evaluation its mean over the tile's eight symmetries.

        The head is linear, so the mean of its predictions is its prediction of this mean.
        """
        tiles = self.normalise(image)
        if self.training:
            return self._pooled(tiles)
        return torch.stack([self._pooled(laid) for laid in _symmetries(tiles)]).mean(dim=0)

    def loss(self, output: Output, labels: Labels) -> Float[Tensor, ""]:
        """Squared errors, averaged over genes and summed over the batch."""
        squared = functional.mse_loss(output.expression, labels.target, reduction="sum")
        return squared / labels.target.shape[1]

    @classmethod
    def recipe(cls, config: STNetConfig) -> Recipe:
        """SGD with momentum at one rate, on tiles that are mirrored and turned at random."""
        return Recipe(
            epochs=50,
            batch_size=32,
            optimiser="sgd",
            learning_rate=config.learning_rate,
            weight_decay=0.0,
            schedule="constant",
            turned="right-angles",
            tile_px=224,
            keeps="best",
        )

    def start_from(self, weights: Path) -> None:
        """Load every convolution and normalisation of a DenseNet-121, without its classifier.

        Raises
        ------
        DataContractError
            if the file cannot be read, or is not a whole DenseNet-121.
        """
        from torchvision.models import densenet121  # takes a second to import

        tensors, _ = read_weights(weights)
        with torch.device("meta"):  # draws no random numbers, which the file would replace anyway
            whole = densenet121()
        named = _named_as_today(tensors, whole.state_dict())
        load_exactly(whole, named, net_name="torchvision:densenet121", where=str(weights))
        self.features.load_state_dict(whole.features.state_dict())

    @classmethod
    def tile_problem(cls, config: STNetConfig, tile_px: int) -> Problem | None:
        """Problem of tiles that the blocks would shrink to nothing."""
        return small_tile("stnet", len(config.blocks), tile_px, stages="blocks")

    def _pooled(self, tiles: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B R"]:
        # channels-last makes convolutions on a CPU up to a third faster
        seen = self.features(tiles.contiguous(memory_format=torch.channels_last))
        # the mean in float32: bfloat16 would round values on which the eight symmetries should
        # agree
        return functional.relu(seen).mean(dim=(2, 3), dtype=tiles.dtype)


def _taking_one_value(net: nn.Module) -> nn.Module:
    """The same net with normalisations that accept a last batch of one spot."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, BatchNorm(child.num_features))
    return net


def _symmetries(tiles: Float[Tensor, "B 3 P P"]) -> Iterator[Float[Tensor, "B 3 P P"]]:
    """Each tile turned by four right angles, then the same for its mirror image."""
    for side in (tiles, tiles.flip(-1)):
        yield from (torch.rot90(side, turns, dims=(2, 3)) for turns in range(4))


def _named_as_today(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors under today's names; old files lack the counters, which are never read."""
    counters = {
        name: torch.zeros(shape.shape, dtype=shape.dtype)
        for name, shape in wanted.items()
        if name.endswith("num_batches_tracked")
    }
    return counters | {_OLD_NAME.sub(r"\1\2.", name): value for name, value in tensors.items()}
