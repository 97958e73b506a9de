"""Node and edge layer give what the dense formulas give, with all gradients."""

import pytest
import torch

from histoscribe.models.layers.co_embedding import EdgeLayer, NodeLayer, graph_shape
from histoscribe.models.layers.graph_edges import Edges

N_NODES, WIDTH, EDGE_WIDTH = 9, 5, 6
GRAPHS = {
    "a ring in one direction": [(i, (i + 1) % N_NODES) for i in range(N_NODES)],
    "a ring with self-loops": [(i, j % N_NODES) for i in range(N_NODES) for j in (i, i + 1)],
    "pairs in both directions": [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (4, 5), (5, 4), (8, 8)],
    "one of all kinds": [(0, 0), (0, 1), (1, 0), (1, 2), (3, 1), (3, 3), (4, 3), (0, 4), (2, 8)],
    "a node without any edge": [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (4, 5), (6, 4), (6, 6)],
    "a star": [(0, j) for j in range(N_NODES)] + [(j, 0) for j in range(3, N_NODES)],
    "one edge": [(3, 5)],
    "one self-loop": [(3, 3)],
}


def drawn_pairs(seed, n_edges=30):
    draws = torch.Generator().manual_seed(seed)
    places = torch.randperm(N_NODES**2, generator=draws)[:n_edges].sort().values.tolist()
    return [divmod(place, N_NODES) for place in places]


GRAPHS |= {f"random {seed}": drawn_pairs(seed) for seed in range(6)}
GRAPHS |= {f"sparse {seed}": drawn_pairs(seed, 8) for seed in range(6)}
GRAPHS["all pairs"] = drawn_pairs(0, N_NODES**2)


def edges_of(*graphs):
    source, target = torch.tensor(graphs).unbind(dim=2)
    return Edges(source, target, torch.ones(source.shape, dtype=torch.float64))


def features(graph, seed=0):
    draws = torch.Generator().manual_seed(seed)
    shapes = ((1, N_NODES, WIDTH), (1, len(graph), EDGE_WIDTH))
    return [
        torch.randn(shape, generator=draws, dtype=torch.float64, requires_grad=True)
        for shape in shapes
    ]


def incidence(graph):
    T = torch.zeros(N_NODES, len(graph), dtype=torch.float64)
    for k, pair in enumerate(graph):
        for node in pair:
            T[node, k] += 1
    return T


def with_unit_diagonal(matrix):
    one = torch.eye(len(matrix), dtype=matrix.dtype)
    return matrix * (1 - one) + one


def dense_node_layer(layer, nodes, edges, graph):
    T = incidence(graph)
    kept = torch.zeros(N_NODES, N_NODES, dtype=torch.float64)
    for i, j in graph:
        kept[i, j] = 1
    root = torch.tensor([n**-0.5 if n else 0.0 for n in kept.sum(dim=1).tolist()]).double()
    A_v = torch.diag(root) @ kept @ torch.diag(root)
    M_v = with_unit_diagonal(T @ torch.diag(edges[0] @ layer.p[0]) @ T.T)
    return (M_v * A_v) @ nodes[0] @ layer.weight + layer.bias


def dense_edge_layer(layer, nodes, edges, graph):
    T = incidence(graph)
    share = torch.tensor(
        [[float(bool({*one} & {*two})) for two in graph] for one in graph]
    ).double()
    root = torch.diag((share.sum(dim=1) + 1) ** -0.5)
    A_e = root @ share @ root
    M_e = with_unit_diagonal(T.T @ torch.diag(nodes[0] @ layer.p[0]) @ T)
    product = M_e * A_e
    return (product / product.max(dim=0, keepdim=True).values) @ edges[
        0
    ] @ layer.weight + layer.bias


LAYERS = {
    "node": (lambda: NodeLayer(WIDTH, 4, EDGE_WIDTH), dense_node_layer),
    "edge": (lambda: EdgeLayer(EDGE_WIDTH, 7, WIDTH), dense_edge_layer),
}


def gradients(output, of):
    weight = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).cos().view_as(output)
    return torch.autograd.grad((output * weight).sum(), of, allow_unused=True)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_all_gradients_are_those_of_the_dense_formulas(name, kind):
    torch.manual_seed(0)
    make, dense = LAYERS[kind]
    layer, graph = make().double(), GRAPHS[name]
    nodes, edges = features(graph)
    ours = layer(nodes, edges, graph_shape(edges_of(graph), N_NODES))
    theirs = dense(layer, nodes, edges, graph)[None]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-12)
    of = [nodes, edges, *layer.parameters()]
    for mine, reference in zip(gradients(ours, of), gradients(theirs, of), strict=True):
        zero = torch.zeros(())  # a layer that reads no edge, such as that of one self-loop
        mine, reference = (zero if value is None else value for value in (mine, reference))
        scale = float(reference.abs().max())
        assert float((mine - reference).abs().max()) <= 1e-5 * scale + 1e-12


def test_the_order_of_images_changes_nothing():
    """Published code joins the edges of a batch in reverse order: each image gets another's."""
    torch.manual_seed(0)
    node, edge = (make().double() for make, _ in LAYERS.values())
    names = ("random 0", "random 1", "random 2")
    graphs = [GRAPHS[name] for name in names]
    drawn = [features(graph, seed) for seed, graph in enumerate(graphs)]
    nodes, edges = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    together = graph_shape(edges_of(*graphs), N_NODES)
    for layer in (node, edge):
        whole = layer(nodes, edges, together)
        for i, graph in enumerate(graphs):
            alone = layer(*drawn[i], graph_shape(edges_of(graph), N_NODES))
            torch.testing.assert_close(whole[i : i + 1], alone)


def test_a_node_that_no_edge_leaves_gets_the_bias_and_harms_no_other():
    """Published code divides by zero there: NaN for the whole image."""
    torch.manual_seed(0)
    layer = NodeLayer(WIDTH, 4, EDGE_WIDTH).double()
    graph = GRAPHS["a node without any edge"]
    output = layer(*features(graph), graph_shape(edges_of(graph), N_NODES))
    assert output.isfinite().all()
    assert torch.equal(output[0, 3], layer.bias)
    assert not torch.allclose(output[0, 1], layer.bias)
