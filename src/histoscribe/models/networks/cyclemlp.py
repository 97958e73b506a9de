"""CycleMLP: a backbone of linear layers only, for tiles of any size.

Chen et al. 2021, arXiv:2107.10224; size B2, as in the comparison of the EGN paper. Four stages of
maps, each half as wide as the one before; `docs/methods/cyclemlp.md` gives the equations.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.cycle_fc import CycleFC
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles
from histoscribe.models.layers.pyramid import check_stages, small_tile, start_linear
from histoscribe.models.recipe import Recipe, compared
from histoscribe.types import Output

_STEP = 3  # cycle length of the offsets in the released code and its published weights
_EXPANSION = 4  # hidden width of the channel network, relative to its input


@dataclass(frozen=True, kw_only=True)
class CycleMLPConfig:
    """Size and learning rate of the network; the default is B2, 26 M parameters before the head."""

    widths: tuple[int, ...] = (64, 128, 320, 512)
    """Channels of each stage."""
    depths: tuple[int, ...] = (2, 3, 10, 3)
    """Blocks in each stage."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW; the default is the EGN paper's."""

    def __post_init__(self) -> None:
        check_stages("cyclemlp", self.widths, self.depths, width_unit=4)

    @classmethod
    def small(cls) -> "CycleMLPConfig":
        """A size that trains on two cores, for tiles of 32 to 64 px."""
        return cls(widths=(32, 64, 128), depths=(1, 2, 2), learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "CycleMLPConfig":
        """Settings for tests."""
        return cls(widths=(16, 24), depths=(1, 1), learning_rate=3e-3)


@final
@register("cyclemlp")
class CycleMLP(ExpressionModel):
    """Predicts a spot from its tile by the mean of the last stage's map."""

    paper = "arXiv:2107.10224"
    Config = CycleMLPConfig

    def __init__(self, facts: Facts, config: CycleMLPConfig) -> None:
        super().__init__(facts, config)
        self.normalise = NormalisedTiles(facts.image_mean, facts.image_scale)
        self.embed = nn.Conv2d(3, config.widths[0], kernel_size=7, stride=4, padding=2)
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, kernel_size=3, stride=2, padding=1)
            for fine, coarse in pairwise(config.widths)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*[_Block(width) for _ in range(depth)])
            for width, depth in zip(config.widths, config.depths, strict=True)
        )
        self.norm = nn.LayerNorm(config.widths[-1])
        self.apply(start_linear)
        self.head = GeneHead(config.widths[-1], facts)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes from the pooled map."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Mean of the last stage's map over the tile."""
        # channels last in memory, so that a linear layer can use the map as a matrix
        tiles = self.normalise(image).contiguous(memory_format=torch.channels_last)
        maps = self.stages[0](self.embed(tiles).permute(0, 2, 3, 1))
        for shrink, stage in zip(self.shrink, self.stages[1:], strict=True):
            maps = stage(shrink(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return self.norm(maps).mean(dim=(1, 2), dtype=tiles.dtype)  # not in bfloat16

    @classmethod
    def recipe(cls, config: CycleMLPConfig) -> Recipe:
        """The training of the EGN paper."""
        return compared(config.learning_rate)

    @classmethod
    def tile_problem(cls, config: CycleMLPConfig, tile_px: int) -> Problem | None:
        """Problem of tiles that the stages would shrink to nothing."""
        return small_tile("cyclemlp", len(config.widths), tile_px)


@final
class _Block(nn.Module):
    """Mix neighbours, then the channels of each position; each step adds to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_aside = nn.LayerNorm(width)
        self.aside = _Aside(width)
        self.norm_channels = nn.LayerNorm(width)
        self.channels = _two_layers(width, _EXPANSION * width, width)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        x = x + self.aside(self.norm_aside(x))
        return x + self.channels(self.norm_channels(x))


@final
class _Aside(nn.Module):
    """Three branches (along height, along width, in place), weighted by channel and tile.

    The weights are split attention: a softmax over the branches of a small network on the mean of
    their sum over the map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.height = CycleFC(width, _STEP, "height")
        self.width = CycleFC(width, _STEP, "width")
        self.place = nn.Linear(width, width)
        self.weigh = _two_layers(width, width // 4, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        height, width, place = self.height(x), self.width(x), self.place(x)
        pooled = (height + width + place).mean(dim=(1, 2))
        weights = self.weigh(pooled).unflatten(1, (3, -1)).softmax(dim=1).to(place.dtype)
        of_height, of_width, of_place = weights[:, :, None, None].unbind(dim=1)
        return self.project(height * of_height + width * of_width + place * of_place)


def _two_layers(width_in: int, hidden: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, hidden), nn.GELU(), nn.Linear(hidden, width_out))
