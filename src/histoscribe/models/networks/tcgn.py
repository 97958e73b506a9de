"""TCGN: convolutions, a graph over the tile and a transformer in one backbone.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040. The backbone is CMT (arXiv:2107.06263): four
stages of maps, each half as wide as the one before. `docs/methods/tcgn.md` gives the equations.
"""

from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.batch_norm import BatchNorm
from histoscribe.models.layers.channel_attention import ChannelAttention
from histoscribe.models.layers.cmt import CMTStage, Stem, as_map, draw_weights
from histoscribe.models.layers.graph_block import GraphBlock
from histoscribe.models.layers.graph_edges import Edges
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import NormalisedTiles, resized
from histoscribe.models.networks.tcgn_config import (
    NODE_PX,
    TCGNConfig,
    TCGNXSConfig,
    stage_shapes,
    tile_problem,
)
from histoscribe.models.published.start import start_backbone
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

_FIRST_PX = (4, 8)  # side of the part of a tile that is a position of the first two maps
_BACKBONE = ("stem", "stage_a", "stage_b", "stage_c", "stage_d", "last_map")
_DROPOUT = 0.1  # of the pooled map
_HIDDEN = 4  # width of the layer before the last, relative to the pooled map


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
        self.normalise = NormalisedTiles.imagenet()
        self.stem = Stem(config.stem_width)
        stages = [CMTStage(shape) for shape in stage_shapes(config, self.side_px)]
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
        # last, so that one seed draws the same other weights with and without graphs
        self.graphs = self._graphs(config).apply(draw_weights)
        n_nodes = (self.side_px // NODE_PX) ** 2
        self.read_graphs = nn.ModuleList(ChannelAttention(n_nodes) for _ in self.graphs)
        self.read_graphs.apply(draw_weights)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes from the mean of the last map."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Input of the last layer: the hidden layer on the mean of the last map."""
        return self._hidden_of_map(self.class_map(image))

    def class_map(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B C H W"]:
        """Last map before the mean over the tile: 1280 x 7 x 7 for a tile of 224 px."""
        maps = self._first_maps(image)
        nodes = [graph(grid) for graph, grid in zip(self.graphs, maps, strict=False)]
        tokens = self.stage_c.embed(maps[1])
        if nodes:
            tokens = self.read_graphs[0](tokens, nodes[0])
        tokens = self.stage_c.run_blocks(tokens)
        if nodes:
            tokens = self.read_graphs[1](tokens, nodes[1])
        return self.last_map(self.stage_d(as_map(tokens)))

    def genes_of_map(self, last_map: Float[Tensor, "B C H W"]) -> Float[Tensor, "B G"]:
        """Genes from the map of `class_map`."""
        return self.head(self._hidden_of_map(last_map))

    def graph_edges(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> tuple[Edges, Edges]:
        """Edges of both graphs: of the map after stage one, then after stage two.

        Nodes are squares of 16 px of the resized tile, row by row.

        Raises
        ------
        ValueError
            for a network without graphs.
        """
        if not len(self.graphs):
            raise ValueError(f"model {self.name!r} with graph = 'none' has no edges")
        first, second = (
            graph.edges(grid)
            for graph, grid in zip(self.graphs, self._first_maps(image), strict=True)
            if isinstance(graph, GraphBlock)
        )
        return first, second

    def backbone(self) -> nn.ModuleDict:
        """Layers of the CMT of ImageNet: everything before the mean of the last map."""
        return nn.ModuleDict({name: self.get_submodule(name) for name in _BACKBONE})

    def start_from(self, weights: Path) -> None:
        """Load the backbone; graphs, attention between channels, hidden layer and head stay drawn.

        Position biases are resized to the tiles of this network.

        Raises
        ------
        DataContractError
            if the file cannot be read, or does not fit exactly.
        """
        start_backbone(self.backbone(), weights, str(self.pretrained))

    def graph_side(self) -> int | None:
        """Nodes along one side of a tile; None for a network without graphs."""
        return self.side_px // NODE_PX if len(self.graphs) else None

    @classmethod
    def recipe(cls, config: TCGNConfig) -> Recipe:
        """Adam at one rate, on tiles that are mirrored and turned by any angle."""
        return Recipe(
            epochs=79,
            batch_size=32,
            optimiser="adam",
            learning_rate=config.learning_rate,
            weight_decay=0.0,
            schedule="constant",
            turned="any-angle",
            side_px=config.resize_px,
            corners=config.corners,
            tile_px=112,
            keeps="best-on-test",
            settings={"resize_px": 224, "corners": "mean"},
        )

    @classmethod
    def tile_problem(cls, config: TCGNConfig, tile_px: int) -> Problem | None:
        """Problem of tiles that the stages cannot halve five times, or with too few nodes."""
        return tile_problem(cls.name, config, tile_px)

    def _graphs(self, config: TCGNConfig) -> nn.ModuleList:
        """Graph blocks: maps of stages one and two have one each, without graphs none."""
        if config.graph == "none":
            return nn.ModuleList()
        return nn.ModuleList(
            GraphBlock(
                width,
                NODE_PX // position_px,
                self.side_px // NODE_PX,
                node_width=config.node_width,
                edges=config.graph,
                edges_per_node=config.edges_per_node,
            )
            for width, position_px in zip(config.widths[:2], _FIRST_PX, strict=True)
        )

    def _first_maps(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B C2 H2 W2"]]:
        """Maps of the first two stages, which the graphs read."""
        first = self.stage_a(self.stem(self._tiles(image)))
        return first, self.stage_b(first)

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
    """Predicts a spot from its tile by CMT-Ti, with a graph over the tile."""

    Config = TCGNConfig
    pretrained = "cmt:ti"


@final
@register("tcgn-xs")
class TCGNXS(CMTNetwork):
    """The same on CMT-XS, which is larger."""

    Config = TCGNXSConfig
    pretrained = "cmt:xs"
