"""The graph of TCGN: which pairs of nodes of an image become edges, and what an edge carries.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040. Nodes are the patches of a square grid, row by
row. The edges of an image depend on that image alone, and the number of edges is fixed.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

EdgeChoice = Literal["image", "node"]
"""Whose largest attentions become edges: those of the whole image, or of each node."""

_SHORTEST = 1e-8
"""Smallest length of a vector that has a direction."""


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges of each image of a batch, by rising source, then target."""

    source: Int[Tensor, "B E"]
    """Node that attends."""
    target: Int[Tensor, "B E"]
    """Node that is attended to; the same as the source on a self-loop."""
    weight: Float[Tensor, "B E"]
    """Attention, as the mean over heads, between 0 and 1."""


def strongest_edges(
    attention: Float[Tensor, "B h N N"], choice: EdgeChoice, per_node: int
) -> Edges:
    """Edges at the largest attentions, as the mean over heads; ties go to the first in row order.

    `per_node` is the number of edges of each node, or their mean number if `choice` is `image`.
    The choice has no gradient; the weights have one.
    """
    n_nodes = attention.shape[-1]
    mean = attention.mean(dim=1)
    if choice == "image":
        place = largest(mean.detach().flatten(1), n_nodes * per_node)
    else:
        first = torch.arange(0, n_nodes**2, n_nodes, device=mean.device)[:, None]
        place = (largest(mean.detach(), per_node) + first).flatten(1)
    weight = mean.flatten(1).gather(1, place)
    return Edges(place // n_nodes, place % n_nodes, weight)


def largest(values: Float[Tensor, "*B M"], count: int) -> Int[Tensor, "*B count"]:
    """Rising indices of the `count` largest values of each row; of equal values the first ones.

    `torch.topk` gives the smallest of them, but promises no order of equal values.
    """
    least = values.topk(count, dim=-1).values[..., -1:]
    above, equal = values > least, values == least
    n_equal = count - above.sum(dim=-1, keepdim=True)
    kept = above | (equal & (equal.cumsum(dim=-1) <= n_equal))
    # the others share one more place at the end, which is cut off
    slot = torch.where(kept, kept.cumsum(dim=-1) - 1, count)
    index = torch.arange(values.shape[-1], device=values.device).expand_as(slot)
    return index.new_zeros(*index.shape[:-1], count + 1).scatter(-1, slot, index)[..., :count]


def edge_features(
    attention: Float[Tensor, "B h N N"], nodes: Float[Tensor, "B N D"], edges: Edges
) -> Float[Tensor, "B E F"]:
    """What each edge carries: h + 4 numbers between 0 and 1, all with gradients.

    Attention of each head and their mean; nearness on the grid, 1 / (distance / 3 + 1); nearness
    of the features of both nodes, 1 / sqrt(distance^2 / s + 1) with s half their width; and their
    cosine, moved to 0..1. A node without any feature has cosine 0 with all.
    """
    place = edges.source * attention.shape[-1] + edges.target
    by_head = attention.flatten(2).gather(2, place[:, None].expand(-1, attention.shape[1], -1))
    squared, cosine = _pairs(nodes, edges, place)
    features_near = torch.rsqrt(squared / (nodes.shape[2] / 2) + 1)
    parts = (edges.weight, _grid_nearness(edges, nodes), features_near, (cosine + 1) / 2)
    return torch.cat([by_head, torch.stack(parts, dim=1)], dim=1).transpose(1, 2)


def _pairs(
    nodes: Float[Tensor, "B N D"], edges: Edges, place: Int[Tensor, "B E"]
) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B E"]]:
    """Squared distance and cosine of the nodes of each edge.

    From products of nodes: two nodes of each edge side by side take four times the memory. The
    square of a length is taken from the same products, so that a self-loop has distance 0.
    """
    product = nodes @ nodes.transpose(1, 2)
    square = product.diagonal(dim1=1, dim2=2)
    inverse = torch.rsqrt(square.clamp(min=_SHORTEST**2))
    both = product.flatten(1).gather(1, place)
    squared = square.gather(1, edges.source) + square.gather(1, edges.target) - 2 * both
    cosine = both * inverse.gather(1, edges.source) * inverse.gather(1, edges.target)
    return squared.clamp(min=0), cosine


def _grid_nearness(edges: Edges, nodes: Float[Tensor, "B N D"]) -> Float[Tensor, "B E"]:
    side = isqrt(nodes.shape[1])
    rows = edges.source // side - edges.target // side
    columns = edges.source % side - edges.target % side
    distance = (rows**2 + columns**2).to(nodes.dtype).sqrt()
    return 1 / (distance / 3 + 1)
