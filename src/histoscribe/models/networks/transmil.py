"""TransMIL: two layers of attention over the tiles of a bag, with their places on the true grid.

Shao et al. 2021, arXiv:2106.00908. `docs/methods/transmil.md` explains what differs from the
released code, which lays tiles on a square and repeats some to fill it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.bounds import Count, Share
from histoscribe.models.layers.grid_convolutions import GridConvolutions
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.nystroem import NystroemAttention
from histoscribe.models.layers.tile_features import TileFeatures
from histoscribe.models.layers.tile_grid import grid_cells, z_order
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output


@dataclass(frozen=True, kw_only=True)
class TransMILConfig:
    """Size of the network; the default is the paper's."""

    width: Count = 512
    """Width of a token."""
    heads: Count = 8
    """Number of attention heads; they divide the width."""
    landmarks: Count = 256
    """Number of landmarks of attention; bags with fewer tiles have full attention."""
    dropout: Share = 0.1
    """Share of the output of attention set to zero in training."""
    learning_rate: float = 2e-4
    """Learning rate of AdamW."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width}: must be a multiple of heads = {self.heads}")

    @classmethod
    def small(cls) -> "TransMILConfig":
        """A size that trains on two cores."""
        return cls(width=128, heads=4, landmarks=64)

    @classmethod
    def tiny(cls) -> "TransMILConfig":
        """Settings for tests."""
        return cls(width=16, heads=2, landmarks=8, dropout=0.1, learning_rate=1e-2)


@final
@register("transmil")
class TransMIL(ExpressionModel):
    """Reads the genes of a bag off a class token that attends to its tiles."""

    paper = "arXiv:2106.00908"
    Config = TransMILConfig
    item = "bag"

    def __init__(self, facts: Facts, config: TransMILConfig) -> None:
        super().__init__(facts, config)
        width = config.width
        self.tiles = TileFeatures(facts)
        self.embed = nn.Linear(len(facts.feature_mean), width)
        self.class_token = nn.Parameter(torch.randn(1, 1, width))
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.first_attention, self.second_attention = (
            NystroemAttention(width, config.heads, config.landmarks, config.dropout)
            for _ in range(2)
        )
        self.places = GridConvolutions(width)
        self.last_norm = nn.LayerNorm(width)
        self.head = GeneHead(width, facts)

    def forward(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        context_slide: Int[Tensor, "B K"],
        present: Bool[Tensor, "B K"],
    ) -> Output:
        """Predict the genes of each bag."""
        return self.read(self.represent(context_feature, context_um, context_slide, present))

    def represent(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        context_slide: Int[Tensor, "B K"],
        present: Bool[Tensor, "B K"],
    ) -> Float[Tensor, "B R"]:
        """The class token behind the last norm."""
        tokens = self._tokens(context_feature, present)
        bags = list(_bags_by_size(context_um, context_slide, present))
        read = []
        for alike in bags:
            _, second = self._layers(tokens, alike)
            last = second + self.second_attention(self.second_norm(second))
            read.append(self.last_norm(last[:, 0]))
        return torch.cat(read)[torch.cat([alike.number for alike in bags]).argsort()]

    def evidence(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        context_slide: Int[Tensor, "B K"],
        present: Bool[Tensor, "B K"],
    ) -> Mapping[str, Float[Tensor, "B K _"]]:
        """Attention of the class token to each tile, in each layer and head.

        The row of the class token is the product of its row of the first factor with the other
        two: no matrix of tiles by tiles is ever made.
        """
        tokens = self._tokens(context_feature, present)
        rows = tokens.new_zeros(*present.shape, 2 * self.config.heads)
        for alike in _bags_by_size(context_um, context_slide, present):
            first, second = self._layers(tokens, alike)
            of_class = torch.cat(
                [
                    self.first_attention.row(self.first_norm(first), 0),
                    self.second_attention.row(self.second_norm(second), 0),
                ],
                dim=1,
            )
            rows[alike.number[:, None], alike.tile] = of_class[:, :, 1:].transpose(1, 2)
        return {"class_attention": rows}

    def evidence_widths(self) -> Mapping[str, int]:
        """Columns: heads of the first layer, then of the second."""
        return {"class_attention": 2 * self.config.heads}

    @classmethod
    def recipe(cls, config: TransMILConfig) -> Recipe:
        """One rate; the paper's RAdam with look-ahead is not in torch."""
        return Recipe(learning_rate=config.learning_rate, weight_decay=1e-5)

    def _tokens(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K R"]:
        return functional.relu(self.embed(self.tiles(context_feature, present)))

    def _layers(
        self, tokens: Float[Tensor, "B K R"], bags: "_Bags"
    ) -> tuple[Float[Tensor, "b N R"], Float[Tensor, "b N R"]]:
        """Class token and tiles of some bags, as they go into the first and the second layer."""
        tiles = tokens[bags.number[:, None], bags.tile]
        first = torch.cat([self.class_token.expand(len(tiles), -1, -1).to(tiles), tiles], dim=1)
        after = first + self.first_attention(self.first_norm(first))
        placed = self.places(after[:, 1:], bags.slide, bags.cell)
        return first, torch.cat([after[:, :1], placed], dim=1)


@dataclass(frozen=True, eq=False)
class _Bags:
    """Bags of a batch with equally many tiles, in an order of tiles that follows their places."""

    number: Int[Tensor, " b"]
    """Place of the bag in the batch."""
    tile: Int[Tensor, "b n"]
    """Places of its tiles in the bag: slide by slide, each along a curve over its grid."""
    slide: Int[Tensor, "b n"]
    """Number of the slide among all slides of these bags."""
    cell: Int[Tensor, "b n 2"]
    """Row and column on the grid of the slide."""


def _bags_by_size(
    context_um: Float[Tensor, "B K 2"],
    context_slide: Int[Tensor, "B K"],
    present: Bool[Tensor, "B K"],
) -> Iterator[_Bags]:
    """Bags with equally many tiles together: none then needs padding."""
    um, slide, there = (
        values.detach().cpu().numpy() for values in (context_um, context_slide, present)
    )
    sizes = there.sum(axis=1)
    for size in np.unique(sizes):
        numbers = np.flatnonzero(sizes == size)
        placed = [_placed(um[bag], slide[bag], np.flatnonzero(there[bag])) for bag in numbers]
        tile, cell = (np.stack(parts) for parts in zip(*placed, strict=True))
        of = numbers[:, None] * (int(slide.max()) + 1) + np.take_along_axis(slide[numbers], tile, 1)
        _, image = np.unique(of, return_inverse=True)
        yield _Bags(
            *(
                torch.from_numpy(values).to(present.device)
                for values in (numbers, tile, image.reshape(tile.shape), cell)
            )
        )


def _placed(
    um: Float[np.ndarray, "K 2"], slide: Int[np.ndarray, " K"], tiles: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n 2"]]:
    """Tiles of one bag in the order of their places, and their cells on the grid of their slide."""
    order, cells = [], []
    for number in np.unique(slide[tiles]):
        of_slide = tiles[slide[tiles] == number]
        cell = grid_cells(um[of_slide])
        along = z_order(cell)
        order.append(of_slide[along])
        cells.append(cell[along])
    return np.concatenate(order), np.concatenate(cells)
