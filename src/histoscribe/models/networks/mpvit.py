"""MPViT: a vision transformer with patches of several sizes at each stage.

Lee et al. 2021, arXiv:2112.11010; size Base, as in the comparison of the EGN paper. Four stages of
maps, each half as wide as the one before; `docs/methods/mpvit.md` gives the equations.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.factor_attention import N_HEADS, FactorAttention, Positions
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles
from histoscribe.models.layers.mpvit_parts import LocalFeatures, convolution, separable
from histoscribe.models.layers.pyramid import check_stages, small_tile, start_linear
from histoscribe.models.recipe import Recipe, compared
from histoscribe.types import Output

_EPS = 1e-6  # of the layer norms, as in the released code
_EXPANSION = 4  # hidden width of a block's network, relative to its input


@dataclass(frozen=True, kw_only=True)
class MPViTConfig:
    """Size and learning rate of the network; default: Base, 74 M parameters before the head."""

    widths: tuple[int, ...] = (128, 224, 368, 480)
    """Channels of each stage; multiples of 8, for 8 heads."""
    depths: tuple[int, ...] = (1, 3, 8, 3)
    """Transformer blocks in each path of each stage."""
    paths: tuple[int, ...] = (2, 3, 3, 3)
    """Patch sizes of each stage: 3, 5, 7, ..., one path each."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW; the default is the EGN paper's."""

    def __post_init__(self) -> None:
        check_stages("mpvit", self.widths, self.depths, self.paths, width_unit=N_HEADS)

    @classmethod
    def small(cls) -> "MPViTConfig":
        """A size that trains on two cores, for tiles of 32 to 64 px."""
        return cls(widths=(32, 64, 96), depths=(1, 1, 2), paths=(2, 2, 2), learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "MPViTConfig":
        """Settings for tests."""
        return cls(widths=(8, 16), depths=(1, 1), paths=(1, 2), learning_rate=3e-3)


@final
@register("mpvit")
class MPViT(ExpressionModel):
    """Predicts a spot from its tile by the mean of the last stage's map."""

    paper = "arXiv:2112.11010"
    Config = MPViTConfig

    def __init__(self, facts: Facts, config: MPViTConfig) -> None:
        super().__init__(facts, config)
        first, last = config.widths[0], config.widths[-1]
        self.normalise = NormalisedTiles(facts.image_mean, facts.image_scale)
        self.stem = nn.Sequential(
            convolution(3, first // 2, side=3, stride=2),
            convolution(first // 2, first, side=3, stride=2),
        )
        self.stages = nn.Sequential(
            *[
                _Stage(width, width_out, depth=depth, n_paths=n_paths, stride=2 if i else 1)
                for i, (width, width_out, depth, n_paths) in enumerate(
                    zip(
                        config.widths,
                        (*config.widths[1:], last),
                        config.depths,
                        config.paths,
                        strict=True,
                    )
                )
            ]
        )
        self.apply(start_linear)
        self.head = GeneHead(last, facts)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes from the pooled map."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Mean of the last stage's map over the tile."""
        # channels last in memory, so that a map is directly a list of tokens
        tiles = self.normalise(image).contiguous(memory_format=torch.channels_last)
        maps = self.stages(self.stem(tiles))
        return maps.mean(dim=(2, 3), dtype=tiles.dtype)  # not in bfloat16

    @classmethod
    def recipe(cls, config: MPViTConfig) -> Recipe:
        """The training of the EGN paper."""
        return compared(config.learning_rate)

    @classmethod
    def tile_problem(cls, config: MPViTConfig, tile_px: int) -> Problem | None:
        """Problem of tiles that the stages would shrink to nothing."""
        return small_tile("mpvit", len(config.widths), tile_px)


@final
class _Stage(nn.Module):
    """Patches of several sizes with a transformer each, and a convolutional branch, combined.

    A patch size is a number of consecutive 3x3 convolutions, so path i reads the patches of path
    i-1 through one more.
    """

    def __init__(
        self, width: int, width_out: int, *, depth: int, n_paths: int, stride: int
    ) -> None:
        super().__init__()
        self.patches = nn.ModuleList(
            separable(width, stride=stride if path == 0 else 1) for path in range(n_paths)
        )
        self.local = LocalFeatures(width)
        self.paths = nn.ModuleList(_Path(width, depth) for _ in range(n_paths))
        self.unite = convolution((n_paths + 1) * width, width_out)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        tokens = []
        for patch in self.patches:
            x = patch(x)
            tokens.append(x)
        seen = [path(part) for path, part in zip(self.paths, tokens, strict=True)]
        return self.unite(torch.cat([self.local(tokens[0]), *seen], dim=1))


@final
class _Path(nn.Module):
    """Transformer blocks on the patches of one size, with shared position terms."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.positions = Positions(width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        tokens = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            tokens = block(tokens, self.positions)
        return tokens.permute(0, 3, 1, 2)


@final
class _Block(nn.Module):
    """Position terms, factorised attention and a network on each token, all residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_tokens = nn.LayerNorm(width, eps=_EPS)
        self.attend = FactorAttention(width)
        self.norm_channels = nn.LayerNorm(width, eps=_EPS)
        self.channels = nn.Sequential(
            nn.Linear(width, _EXPANSION * width), nn.GELU(), nn.Linear(_EXPANSION * width, width)
        )

    def forward(
        self, x: Float[Tensor, "B H W C"], positions: Positions
    ) -> Float[Tensor, "B H W C"]:
        x = positions.added(x)
        x = x + self.attend(self.norm_tokens(x), positions)
        return x + self.channels(self.norm_channels(x))
