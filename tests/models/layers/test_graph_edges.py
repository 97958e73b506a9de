"""Edges depend on their image alone, and their features follow the formulas."""

import pytest
import torch

from histoscribe.models.layers.graph_edges import Edges, edge_features, largest, strongest_edges

N_NODES, HEADS, WIDTH = 16, 2, 6


def drawn_attention(n_images=3, seed=0):
    draws = torch.Generator().manual_seed(seed)
    logits = torch.randn(n_images, HEADS, N_NODES, N_NODES, generator=draws, dtype=torch.float64)
    return (2 * logits).softmax(dim=3)


def pairs(edges, image):
    return list(zip(edges.source[image].tolist(), edges.target[image].tolist(), strict=True))


def test_the_largest_are_those_of_a_stable_sort():
    draws = torch.Generator().manual_seed(0)
    values = torch.randint(0, 9, (40, 60), generator=draws).double()  # many ties
    for count in (1, 7, 30, 60):
        first = values.sort(dim=1, descending=True, stable=True).indices[:, :count]
        assert torch.equal(largest(values, count), first.sort(dim=1).values)


@pytest.mark.parametrize("choice", ["image", "node"])
def test_edges_are_the_largest_attentions_of_image_or_node(choice):
    attention = drawn_attention()
    edges = strongest_edges(attention, choice, 3)
    mean = attention.mean(dim=1)
    kept = torch.zeros_like(mean)
    for image in range(len(mean)):
        for i, j in pairs(edges, image):
            kept[image, i, j] = 1
    assert edges.source.shape == (len(mean), 3 * N_NODES)
    shape = (1, 2) if choice == "image" else 2
    least = mean.masked_fill(kept == 0, torch.inf).amin(dim=shape, keepdim=True)
    assert (mean.masked_fill(kept == 1, 0) < least).all()
    assert torch.equal(edges.weight, mean[kept == 1].view_as(edges.weight))


@pytest.mark.parametrize("choice", ["image", "node"])
def test_ties_go_to_the_first_pairs_and_add_no_edge_to_any_image(choice):
    """Published code keeps all ties, and as many edges of each image as of the one with most."""
    tied = torch.full((1, HEADS, N_NODES, N_NODES), 1 / N_NODES, dtype=torch.float64)
    plain = drawn_attention(1)
    both = strongest_edges(torch.cat([plain, tied]), choice, 2)
    alone = strongest_edges(plain, choice, 2)
    assert pairs(both, 0) == pairs(alone, 0)
    first = [divmod(place, N_NODES) for place in range(2 * N_NODES)]
    each = [(i, j) for i in range(N_NODES) for j in (0, 1)]
    assert pairs(both, 1) == (first if choice == "image" else each)


@pytest.mark.parametrize("choice", ["image", "node"])
def test_batch_mates_and_their_order_change_no_edge(choice):
    attention = drawn_attention(4)
    edges = strongest_edges(attention, choice, 4)
    turned = strongest_edges(attention.flip(0), choice, 4)
    alone = [strongest_edges(attention[i : i + 1], choice, 4) for i in range(4)]
    for i in range(4):
        assert pairs(edges, i) == pairs(turned, 3 - i) == pairs(alone[i], 0)


def test_all_pairs_may_become_edges():
    edges = strongest_edges(drawn_attention(1), "image", N_NODES)
    assert pairs(edges, 0) == [(i, j) for i in range(N_NODES) for j in range(N_NODES)]


def reference_features(attention, nodes, i, j):
    """Formulas for one pair, as they stand."""
    side, s = 4, WIDTH / 2
    place = [torch.tensor([float(n // side), float(n % side)]).double() for n in (i, j)]
    distance = torch.dist(*place)
    squared = ((nodes[i] - nodes[j]) ** 2).sum()
    cosine = torch.nn.functional.cosine_similarity(nodes[i], nodes[j], dim=0)
    rest = [1 / (distance / 3 + 1), 1 / ((squared + s) / s) ** 0.5, (cosine + 1) / 2]
    return torch.stack([*attention[:, i, j], attention[:, i, j].mean(), *rest])


def test_edge_features_and_their_gradients_follow_the_formulas():
    attention = drawn_attention(2).requires_grad_()
    draws = torch.Generator().manual_seed(1)
    nodes = torch.randn(2, N_NODES, WIDTH, generator=draws, dtype=torch.float64)
    nodes.requires_grad_()
    edges = strongest_edges(attention, "image", 4)
    assert any(i == j for i, j in pairs(edges, 0))
    ours = edge_features(attention, nodes, edges)
    theirs = torch.stack(
        [
            torch.stack(
                [reference_features(attention[b], nodes[b], i, j) for i, j in pairs(edges, b)]
            )
            for b in range(2)
        ]
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    weight = torch.linspace(-1, 1, ours.numel(), dtype=torch.float64).cos().view_as(ours)
    mine = torch.autograd.grad((ours * weight).sum(), [attention, nodes])
    reference = torch.autograd.grad((theirs * weight).sum(), [attention, nodes])
    for one, other in zip(mine, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_equal_and_empty_nodes_have_finite_features_and_gradients():
    nodes = torch.ones(1, N_NODES, WIDTH)
    nodes[:, 3:6] = 0
    nodes.requires_grad_()
    attention = drawn_attention(1).float().requires_grad_()
    index = torch.arange(N_NODES)[None]
    edges = Edges(index, (index // 2) * 2, torch.ones(1, N_NODES))
    features = edge_features(attention, nodes, edges)
    loops = features[0, ::2, 3:]
    assert torch.equal(loops[:, :2], torch.ones(8, 2)), "no distance to itself"
    assert features.isfinite().all()
    features.sum().backward()
    assert nodes.grad.isfinite().all()
    assert attention.grad.isfinite().all()
