"""The graph of TCGN: nodes from patches of a map, edges from attention, both embedded together.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040. The graph works in the precision of the weights
under mixed precision too: attention in bfloat16 has so few values that most edges would be ties.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.layers.cmt import CMTBlock, PatchEmbedding, as_tokens
from histoscribe.models.layers.co_embedding import EdgeLayer, GraphShape, NodeLayer, graph_shape
from histoscribe.models.layers.convnext import ConvNeXtStage
from histoscribe.models.layers.encoder_block import EncoderBlock
from histoscribe.models.layers.graph_edges import (
    EdgeChoice,
    Edges,
    edge_features,
    strongest_edges,
)

_HEADS = 2
_CHANNEL_HEADS = 4
_EDGE_WIDTH = _HEADS + 4
_DROPOUT = 0.1
_EPS = 1e-5


@dataclass(frozen=True, eq=False)
class _Graph:
    """Edges of a batch, with the features of nodes and edges."""

    nodes: Float[Tensor, "B N D"]
    edges: Edges
    features: Float[Tensor, "B E F"]


@final
class GraphBlock(nn.Module):
    """Graph of the patches of a map: attention draws its edges, and nodes read their edges."""

    def __init__(
        self,
        channels: int,
        patch: int,
        side: int,
        *,
        node_width: int,
        edges: EdgeChoice,
        edges_per_node: int,
    ) -> None:
        """Layers for a map of `channels`; a node has twice as many numbers before its edges.

        Parameters
        ----------
        patch
            Side of the square of positions that makes a node: 2 or 4.
        side
            Nodes on each side of the map; even.
        node_width
            Numbers of each node that the block gives; even.
        edges
            See `strongest_edges`.

        Raises
        ------
        ValueError
            if there are not that many edges.
        """
        super().__init__()
        if edges_per_node > side**2:
            raise ValueError(f"at most {side**2} edges a node, as there are nodes")
        width = 2 * channels
        self.choice, self.per_node = edges, edges_per_node
        self.embed = PatchEmbedding(channels, width, patch)
        self.bias = nn.Parameter(torch.randn(_HEADS, side**2, side**2))
        self.token_block = _cmt_block(width)
        self.convolve = _convolutions(channels, width, patch)
        self.attend = CrossAttention(width)
        self.first_nodes = NodeLayer(width, width, _EDGE_WIDTH)
        self.edge_layer = EdgeLayer(_EDGE_WIDTH, 2 * _EDGE_WIDTH, width)
        self.last_nodes = NodeLayer(width, node_width, 2 * _EDGE_WIDTH)
        self.dropout = nn.Dropout(_DROPOUT)
        self.fuse = GraphFusion(side**2, node_width)

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """Numbers of each node."""
        tokens, maps = self._branches(grid)
        with torch.autocast(grid.device.type, enabled=False):
            graph = self._graph(tokens, maps)
            shape = graph_shape(graph.edges, graph.nodes.shape[1])
            nodes, edges = self._embed_together(graph, shape)
            at_nodes = shape.incidence @ edges / self.per_node
        return self.fuse(nodes, at_nodes, self.bias)

    def edges(self, grid: Float[Tensor, "B C H W"]) -> Edges:
        """Edges that `forward` reads."""
        tokens, maps = self._branches(grid)
        with torch.autocast(grid.device.type, enabled=False):
            return self._graph(tokens, maps).edges

    def _branches(
        self, grid: Float[Tensor, "B C H W"]
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N D"]]:
        """Nodes from attention, and from convolutions."""
        tokens = self.token_block(self.embed(grid), self.bias)
        return tokens, as_tokens(self.convolve(grid))

    def _graph(self, tokens: Float[Tensor, "B N D"], maps: Float[Tensor, "B N D"]) -> _Graph:
        attention, nodes = self.attend(tokens, maps)
        edges = strongest_edges(attention, self.choice, self.per_node)
        return _Graph(nodes, edges, edge_features(attention, nodes, edges))

    def _embed_together(
        self, graph: _Graph, shape: GraphShape
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B E F"]]:
        """Features of nodes and of edges after three layers that read both."""
        nodes = self._between(self.first_nodes(graph.nodes, graph.features, shape))
        edges = self._between(self.edge_layer(nodes, graph.features, shape))
        return self.last_nodes(nodes, edges, shape), edges

    def _between(self, features: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.dropout(functional.relu(features))


@final
class CrossAttention(nn.Module):
    """Attention from nodes of the token branch to nodes of the convolution branch.

    The graph reads the attention itself: it does not weight the values, which become its nodes.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(
        self, tokens: Float[Tensor, "B N D"], maps: Float[Tensor, "B N D"]
    ) -> tuple[Float[Tensor, "B h N N"], Float[Tensor, "B N D"]]:
        """Attention of each head, rows sum to one, and values; in the precision of the weights."""
        tokens, maps = (given.to(self.query.weight.dtype) for given in (tokens, maps))
        query, key = (
            layer(read).unflatten(2, (_HEADS, -1)).transpose(1, 2)
            for layer, read in ((self.query, tokens), (self.key, maps))
        )
        logits = (tokens.shape[2] ** -0.5 * query) @ key.transpose(2, 3)
        one = torch.eye(tokens.shape[1], dtype=logits.dtype, device=logits.device)
        return (logits + one).softmax(dim=3), self.value(maps)


@final
class GraphFusion(nn.Module):
    """Nodes and the edges at them, mixed over nodes first, then over the channels of both."""

    def __init__(self, n_nodes: int, node_width: int) -> None:
        super().__init__()
        edge_width = 2 * _EDGE_WIDTH
        self.edge_block = EncoderBlock(edge_width, _HEADS)
        self.node_block = _cmt_block(node_width)
        self.channel_block = EncoderBlock(n_nodes, _CHANNEL_HEADS)
        self.project = nn.Linear(node_width + edge_width, node_width)

    def forward(
        self,
        nodes: Float[Tensor, "B N D"],
        at_nodes: Float[Tensor, "B N F"],
        bias: Float[Tensor, "heads N N"],
    ) -> Float[Tensor, "B N D"]:
        """Fuse nodes with the sum of their edges."""
        parts = [self.node_block(nodes, bias), self.edge_block(at_nodes)]
        channels = torch.cat(parts, dim=2).transpose(1, 2)
        return self.project(self.channel_block(channels).transpose(1, 2))


def _cmt_block(width: int) -> CMTBlock:
    return CMTBlock(width, _HEADS, expansion=4.0, qkv_bias=False, norm_eps=_EPS)


def _convolutions(channels: int, width: int, patch: int) -> nn.Sequential:
    """Stages that leave one position for each patch."""
    shapes = {2: [(channels, width, 2)], 4: [(channels, channels, 2), (channels, width, 1)]}
    return nn.Sequential(*[ConvNeXtStage(*shape) for shape in shapes[patch]])
