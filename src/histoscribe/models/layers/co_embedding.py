"""Layers that embed the nodes and the edges of a graph through each other: CensNet.

Jiang et al. 2019, doi:10.24963/ijcai.2019/369, in the form of TCGN: edges are directed, and a node
may have an edge to itself, a self-loop. H_v and H_e are the features of nodes and edges, A_v and
A_e their adjacencies, and T is the incidence matrix: one row for each node, one column for each
edge, 1 at both ends of an edge and 2 at the end of a self-loop.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.layers.graph_edges import Edges


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphShape:
    """Incidence and adjacency of the edges of each image, without gradients."""

    source: Int[Tensor, "B E"]
    target: Int[Tensor, "B E"]
    is_loop: Bool[Tensor, "B E"]
    """Whether source and target are the same node."""
    reverse: Int[Tensor, "B E"]
    """Number of the edge from target to source; E if there is none, and for a self-loop."""
    incidence: Float[Tensor, "B N E"]
    """T."""
    node_scale: Float[Tensor, "B E"]
    """Entry of each edge in A_v."""
    edge_scale: Float[Tensor, "B E"]
    """Factor g of each edge: A_e[k, l] is g_k g_l where k and l share an end, else 0."""
    strongest: Float[Tensor, "2 B E"]
    """Largest T[i, k] g_k T[i, l] over the other edges k at an end i of an edge l: at its source,
    and at its target. The reverse of l does not count. 0 where there is no other edge.
    """


@torch.no_grad()
def graph_shape(edges: Edges, n_nodes: int) -> GraphShape:
    """Incidence and adjacencies of the edges of each image.

    A_v is 1 from the source to the target of an edge, divided by the square root of the number of
    edges that leave each of the two. Where none leaves, it is 0; the published code divides by
    zero. A_e is 1 where two edges share an end, so also for an edge and itself, divided on both
    sides by the square root of one plus the sum of the row.
    """
    source, target = edges.source, edges.target
    is_loop = source == target
    one = torch.ones_like(edges.weight)
    nodes = one.new_zeros(len(one), n_nodes)
    leaving = nodes.scatter_add(1, source, one)
    root = torch.where(leaving > 0, leaving.clamp(min=1).rsqrt(), 0)
    touching = leaving.scatter_add(1, target, torch.where(is_loop, 0, one))
    at_source, at_target = touching.gather(1, source), touching.gather(1, target)
    reverse = _reverse(edges, n_nodes)
    at_both = torch.where(is_loop, at_source, 1 + (reverse < source.shape[1]).to(one))
    edge_scale = (at_source + at_target - at_both + 1).rsqrt()
    starts = one.new_zeros(len(one), n_nodes, one.shape[1]).scatter_(1, source[:, None], 1)
    return GraphShape(
        source=source,
        target=target,
        is_loop=is_loop,
        reverse=reverse,
        incidence=starts.scatter_add_(1, target[:, None], one[:, None]),
        node_scale=root.gather(1, source) * root.gather(1, target),
        edge_scale=edge_scale,
        strongest=_strongest(edges, n_nodes, edge_scale),
    )


@final
class NodeLayer(nn.Module):
    """New features of nodes: (M_v * A_v) H_v W + b, entry by entry in the bracket.

    M_v is T diag(H_e p) T^T with ones on its diagonal. Entry (i, j) is needed only where an edge
    leads from i to j: there it is the sum of H_e p over this edge and its reverse.
    """

    def __init__(self, width_in: int, width_out: int, edge_width: int) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.randn(1, edge_width))
        self.weight, self.bias = _weight_and_bias(width_in, width_out)

    def forward(
        self, nodes: Float[Tensor, "B N D"], edges: Float[Tensor, "B E F"], shape: GraphShape
    ) -> Float[Tensor, "B N D2"]:
        """Sum over the targets of the edges that leave each node."""
        n_nodes = nodes.shape[1]
        strength = edges @ self.p[0]
        multiplier = torch.where(shape.is_loop, 1, strength + _of_reverse(strength, shape))
        matrix = nodes.new_zeros(len(nodes), n_nodes**2).scatter(
            1, shape.source * n_nodes + shape.target, multiplier * shape.node_scale
        )
        return matrix.unflatten(1, (n_nodes, n_nodes)) @ (nodes @ self.weight) + self.bias


@final
class EdgeLayer(nn.Module):
    """New features of edges: C H_e W + b, where C is M_e * A_e over the maximum of each column.

    M_e is T^T diag(H_v p) T with ones on its diagonal. It is never made: with v = H_v p and
    m_l = g_l u_l as the maximum of column l, entry (k, l) of C is g_k M_e[k, l] / u_l, so two
    products with T suffice, and a correction for the diagonal.
    """

    def __init__(self, width_in: int, width_out: int, node_width: int) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.randn(1, node_width))
        self.weight, self.bias = _weight_and_bias(width_in, width_out)

    def forward(
        self, nodes: Float[Tensor, "B N D"], edges: Float[Tensor, "B E F"], shape: GraphShape
    ) -> Float[Tensor, "B E F2"]:
        """Sum over the edges that share an end with each edge."""
        v = nodes @ self.p[0]
        at_ends = torch.stack([v.gather(1, shape.source), v.gather(1, shape.target)])
        divided = edges / _column_maximum(at_ends, shape)[..., None]
        summed = v[..., None] * (shape.incidence @ divided)
        diagonal = at_ends.sum(dim=0) * (1 + shape.is_loop.to(v.dtype))
        mixed = shape.incidence.transpose(1, 2) @ summed + (1 - diagonal)[..., None] * divided
        return (shape.edge_scale[..., None] * mixed) @ self.weight + self.bias


def _column_maximum(at_ends: Float[Tensor, "2 B E"], shape: GraphShape) -> Float[Tensor, "B E"]:
    """Largest g_k M_e[k, l] over all edges k that share an end with edge l.

    It is the largest of four: l itself, where M_e is 1; the strongest other edge at its source, and
    at its target; and the reverse of l, which has both ends in common. Since the first is positive,
    edges that share no end, with 0, and nodes with a negative v never are the largest.
    """
    reverse = at_ends.sum(dim=0) * _of_reverse(shape.edge_scale, shape)
    return torch.stack([shape.edge_scale, *(at_ends * shape.strongest), reverse]).amax(dim=0)


def _strongest(
    edges: Edges, n_nodes: int, edge_scale: Float[Tensor, "B E"]
) -> Float[Tensor, "2 B E"]:
    """See `GraphShape.strongest`.

    The strongest edge between two nodes, of either direction, is an entry of a symmetric matrix. To
    leave out an edge and its reverse is to leave out the other node.
    """
    source, target = edges.source, edges.target
    at_loop = 1 + (source == target).to(edge_scale)
    directed = edge_scale.new_zeros(len(edge_scale), n_nodes**2).scatter(
        1, source * n_nodes + target, at_loop * edge_scale
    )
    directed = directed.unflatten(1, (n_nodes, n_nodes))
    best = torch.maximum(directed, directed.transpose(1, 2)).topk(2, dim=2)
    (first, second), partner = best.values.unbind(dim=2), best.indices[..., 0]
    at_ends = [
        torch.where(partner.gather(1, end) == other, second.gather(1, end), first.gather(1, end))
        for end, other in ((source, target), (target, source))
    ]
    return at_loop * torch.stack(at_ends)


def _reverse(edges: Edges, n_nodes: int) -> Int[Tensor, "B E"]:
    """See `GraphShape.reverse`."""
    n_edges = edges.source.shape[1]
    number = torch.arange(n_edges, device=edges.source.device).expand_as(edges.source)
    table = edges.source.new_full((len(number), n_nodes**2), n_edges)
    table = table.scatter(1, edges.source * n_nodes + edges.target, number)
    reverse = table.gather(1, edges.target * n_nodes + edges.source)
    return torch.where(edges.source == edges.target, n_edges, reverse)


def _of_reverse(values: Float[Tensor, "B E"], shape: GraphShape) -> Float[Tensor, "B E"]:
    """The value of each edge's reverse; 0 without one."""
    return functional.pad(values, (0, 1)).gather(1, shape.reverse)


def _weight_and_bias(width_in: int, width_out: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Drawn between -1 / sqrt(width_out) and 1 / sqrt(width_out)."""
    bound = width_out**-0.5
    shapes = ((width_in, width_out), (width_out,))
    weight, bias = (nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) for shape in shapes)
    return weight, bias
