"""The graph block sees each image alone, and keeps its graph in float32."""

import pytest
import torch

from histoscribe.models.layers.graph_block import GraphBlock

CHANNELS, SIDE, NODE_WIDTH = 6, 4, 10


def made(patch=2, choice="image", per_node=3):
    torch.manual_seed(0)
    settings = {"node_width": NODE_WIDTH, "edges": choice, "edges_per_node": per_node}
    return GraphBlock(CHANNELS, patch, SIDE, **settings).eval()


def grids(n_images, patch=2):
    draws = torch.Generator().manual_seed(1)
    return torch.randn(n_images, CHANNELS, SIDE * patch, SIDE * patch, generator=draws)


@pytest.mark.parametrize("patch", [2, 4])
@pytest.mark.parametrize("choice", ["image", "node"])
def test_an_image_gets_the_same_nodes_alone_and_in_any_batch(patch, choice):
    block, grid = made(patch, choice), grids(5, patch)
    nodes = block(grid)
    assert nodes.shape == (5, SIDE**2, NODE_WIDTH)
    torch.testing.assert_close(block(grid.flip(0)).flip(0), nodes)
    torch.testing.assert_close(block(grid[3:4]), nodes[3:4])


def test_the_same_batch_gives_the_same_bits_and_edges_change_nothing():
    block, grid = made(), grids(3)
    nodes = block(grid)
    edges = block.edges(grid)
    assert torch.equal(block(grid), nodes)
    assert edges.source.shape == (3, 3 * SIDE**2)
    assert ((edges.weight > 0) & (edges.weight < 1)).all()


@pytest.mark.parametrize("choice", ["image", "node"])
def test_a_gradient_reaches_every_weight(choice):
    block = made(choice=choice).train()
    block(grids(4)).square().sum().backward()
    assert [
        name for name, w in block.named_parameters() if w.grad is None or not w.grad.any()
    ] == []


def test_under_bfloat16_the_graph_stays_in_float32_and_trains():
    block, grid = made().train(), grids(4)
    kinds = set()
    for layer in (block.first_nodes, block.edge_layer, block.last_nodes):
        layer.register_forward_hook(lambda _, given, output: kinds.add(output.dtype))
        layer.register_forward_pre_hook(lambda _, given: kinds.update(x.dtype for x in given[:2]))
    before = {name: weight.clone() for name, weight in block.named_parameters()}
    optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = block(grid).float().square().mean()
        edges = block.edges(grid)
    loss.backward()
    optimiser.step()
    assert kinds == {torch.float32}
    assert edges.weight.dtype == torch.float32
    after = dict(block.named_parameters())
    assert all(weight.isfinite().all() for weight in after.values())
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert {"attend.query.weight", "edge_layer.p", "first_nodes.weight"} <= set(moved)


def test_more_edges_than_pairs_of_nodes_are_an_error():
    with pytest.raises(ValueError, match="at most 16 edges a node"):
        made(per_node=17)
