"""TCGN: convolutions, a graph over the tile and a transformer in one backbone.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040. The backbone is CMT (arXiv:2107.06263): four
stages of maps, each half as wide as the one before. `docs/methods/tcgn.md` gives the equations.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.batch_norm import BatchNorm
from histoscribe.models.layers.cmt import CMTStage, StageShape, Stem, draw_weights
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles, resized
from histoscribe.models.layers.pyramid import check_stages
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

_HEADS = (1, 2, 4, 8)  # attention heads of each stage
_REDUCTIONS = (8, 4, 2, 1)  # so that the keys of each stage are the positions of the last map
_STRIDE_PX = 32  # side of the tile over that of the last map
_LEAST_PX = 64  # below, each stage has a single key, and attention does nothing
_DROPOUT = 0.1
_HIDDEN = 4  # width of the layer before the last, relative to the pooled map


@dataclass(frozen=True, kw_only=True)
class TCGNConfig:
    """Size, graph, input and learning rate; the default is the paper's, on CMT-Ti."""

    widths: tuple[int, ...] = (46, 92, 184, 368)
    """Channels of each stage; multiples of 1, 2, 4 and 8, the heads of its attention."""
    blocks: tuple[int, ...] = (2, 2, 10, 2)
    """CMT blocks of each stage."""
    expansion: float = 3.6
    """Hidden channels of the convolutions in a block, relative to its width."""
    stem_width: int = 16
    """Channels of the three convolutions before the stages."""
    pooled_width: int = 1280
    """Channels of the last map, which is averaged over the tile; the layer before the last has four
    times as many.
    """
    graph: Literal["none"] = "none"
    """No graph: the CMT alone."""
    resize_px: int | None = None
    """Side to which the first layer brings each tile, a multiple of 32; None: tiles stay as they
    are.
    """
    weights: Literal["file", "random"] = "file"
    """Start from ImageNet's weights of the CMT in a file, or from random numbers."""
    learning_rate: float = 1e-5
    """Rate of Adam."""

    PUBLISHED: ClassVar[tuple[tuple[int, ...], tuple[int, ...], float]] = (
        (46, 92, 184, 368),
        (2, 2, 10, 2),
        3.6,
    )

    def __post_init__(self) -> None:
        check_stages("tcgn", self.widths, self.blocks, _HEADS, width_unit=1)
        wrong = [
            f"{width} is no multiple of {heads}"
            for width, heads in zip(self.widths, _HEADS, strict=True)
            if width % heads
        ]
        if wrong:
            raise ValueError(f"heads must divide the widths: {', '.join(wrong)}")
        if min(self.expansion, self.stem_width, self.pooled_width) < 1:
            raise ValueError("expansion, stem_width and pooled_width are each at least 1")
        if self.resize_px is not None and not _side_fits(self.resize_px):
            raise ValueError(
                f"resize_px = {self.resize_px}: must be a multiple of 32, {_LEAST_PX} or more; "
                f"the next are {_next_sides(self.resize_px)}"
            )
        size = (tuple(self.widths), tuple(self.blocks), self.expansion)
        if self.weights == "file" and size != self.PUBLISHED:
            widths, blocks, expansion = self.PUBLISHED
            raise ValueError(
                f"published weights fit widths {list(widths)}, blocks {list(blocks)} and expansion "
                f"{expansion}; other sizes need weights = 'random'"
            )

    @classmethod
    def small(cls) -> "TCGNConfig":
        """A size that trains on two cores from random numbers, for tiles of 64 to 128 px."""
        return cls(
            widths=(16, 32, 64, 128),
            blocks=(1, 1, 2, 1),
            expansion=2.0,
            stem_width=8,
            pooled_width=128,
            weights="random",
            learning_rate=1e-3,
        )

    @classmethod
    def tiny(cls) -> "TCGNConfig":
        """Settings for tests."""
        return cls(
            widths=(8, 8, 8, 16),
            blocks=(1, 1, 1, 1),
            expansion=2.0,
            stem_width=4,
            pooled_width=16,
            resize_px=_LEAST_PX,
            weights="random",
            learning_rate=3e-3,
        )


@dataclass(frozen=True, kw_only=True)
class TCGNXSConfig(TCGNConfig):
    """The same settings; the default is the larger CMT-XS."""

    widths: tuple[int, ...] = (52, 104, 208, 416)
    """Channels of each stage; multiples of 1, 2, 4 and 8, the heads of its attention."""
    blocks: tuple[int, ...] = (3, 3, 12, 3)
    """CMT blocks of each stage."""
    expansion: float = 3.77
    """Hidden channels of the convolutions in a block, relative to its width."""

    PUBLISHED = ((52, 104, 208, 416), (3, 3, 12, 3), 3.77)


class CMTNetwork(ExpressionModel):
    """The network of both sizes."""

    paper = "doi:10.1016/j.media.2023.103040"
    config: TCGNConfig
    usual_tile_px = 224

    def __init__(self, facts: Facts, config: TCGNConfig) -> None:
        super().__init__(facts, config)
        problem = self.tile_problem(config, facts.tile_px)
        if problem is not None:
            raise DataContractError(problem)
        self.side_px = config.resize_px or facts.tile_px
        red, green, blue = (255 * value for value in IMAGENET_MEAN)
        scales = [255 * value for value in IMAGENET_STD]
        self.normalise = NormalisedTiles((red, green, blue), (scales[0], scales[1], scales[2]))
        self.stem = Stem(config.stem_width)
        stages = [CMTStage(shape) for shape in _stage_shapes(config, self.side_px)]
        self.stage_a, self.stage_b, self.stage_c, self.stage_d = stages
        width = config.pooled_width
        self.last_map = nn.Sequential(
            nn.Conv2d(config.widths[-1], width, 1), BatchNorm(width), nn.SiLU()
        )
        self.hidden = nn.Sequential(
            nn.Dropout(_DROPOUT), nn.Linear(width, _HIDDEN * width), nn.GELU()
        )
        self.apply(draw_weights)
        self.head = GeneHead(_HIDDEN * width, facts)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes from the mean of the last map."""
        return Output(self.genes_of_map(self.class_map(image)))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Input of the last layer: the hidden layer on the mean of the last map."""
        return self._hidden_of_map(self.class_map(image))

    def class_map(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B C H W"]:
        """Last map before the mean over the tile: 1280 x 7 x 7 for a tile of 224 px."""
        map_a = self.stage_a(self.stem(self._tiles(image)))
        map_b = self.stage_b(map_a)
        return self.last_map(self.stage_d(self.stage_c(map_b)))

    def genes_of_map(self, last_map: Float[Tensor, "B C H W"]) -> Float[Tensor, "B G"]:
        """Genes from the map of `class_map`."""
        return self.head(self._hidden_of_map(last_map))

    def recipe(self) -> Recipe:
        """Adam at one rate, on tiles that are mirrored and turned at random."""
        return Recipe(
            learning_rate=self.config.learning_rate,
            weight_decay=0.0,
            schedule="constant",
            turned=True,
        )

    @classmethod
    def tile_problem(cls, config: TCGNConfig, tile_px: int) -> Problem | None:
        """Problem of tiles that the stages cannot halve five times."""
        if config.resize_px is not None or _side_fits(tile_px):
            return None
        return Problem(
            where=f"model {cls.name}",
            found=f"tiles of {tile_px} px",
            expected=f"a side that is a multiple of 32 px, {_LEAST_PX} px or more, for maps are "
            "halved five times",
            remedy=f"set inputs.tile_px to {_next_sides(tile_px)}, or set resize_px = 224, "
            "to which the first layer then brings the tiles",
        )

    def _tiles(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B 3 Q Q"]:
        if self.config.resize_px is None and image.shape[-1] != self.side_px:
            raise ValueError(
                f"model {self.name!r} was made for tiles of {self.side_px} px, these have "
                f"{image.shape[-1]} px; with resize_px = {self.side_px} it takes tiles of any side"
            )
        tiles = self.normalise(resized(image, self.side_px))
        # channels last in memory, so that a map is directly a list of tokens
        return tiles.contiguous(memory_format=torch.channels_last)

    def _hidden_of_map(self, last_map: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R"]:
        wide = torch.promote_types(last_map.dtype, torch.float32)  # no mean in bfloat16
        return self.hidden(last_map.mean(dim=(2, 3), dtype=wide))


@final
@register("tcgn")
class TCGN(CMTNetwork):
    """Predicts a spot from its tile by CMT-Ti."""

    Config = TCGNConfig
    pretrained = "cmt:ti"


@final
@register("tcgn-xs")
class TCGNXS(CMTNetwork):
    """The same on CMT-XS, which is larger."""

    Config = TCGNXSConfig
    pretrained = "cmt:xs"


def _stage_shapes(config: TCGNConfig, side_px: int) -> list[StageShape]:
    """Sizes of the four stages; the first map has a quarter of the tile's side."""
    return [
        StageShape(
            width_in=width_in,
            width=width,
            blocks=blocks,
            heads=heads,
            reduction=reduction,
            expansion=config.expansion,
            side=side_px // 4 // heads,
        )
        for width_in, width, blocks, heads, reduction in zip(
            (config.stem_width, *config.widths[:-1]),
            config.widths,
            config.blocks,
            _HEADS,
            _REDUCTIONS,
            strict=True,
        )
    ]


def _side_fits(side_px: int) -> bool:
    return side_px >= _LEAST_PX and side_px % _STRIDE_PX == 0


def _next_sides(side_px: int) -> str:
    """The nearest sides that fit, below and above."""
    below = side_px // _STRIDE_PX * _STRIDE_PX
    sides = sorted({max(side, _LEAST_PX) for side in (below, below + _STRIDE_PX)})
    return " or ".join(f"{side}" for side in sides)
