"""TCGN: its sizes, its start, its graph in the backbone, its input, its training."""

import math

import pytest
import torch
from torch import nn

from histoscribe.errors import DataContractError
from histoscribe.models.base import create_model, make_config, model_class
from histoscribe.models.networks.tcgn import TCGN
from histoscribe.models.networks.tcgn_config import TCGNConfig
from histoscribe.types import Labels
from tests.models.networks.networks import (
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    facts,
    inputs,
    network,
    predict,
    recipe_of,
)

GRAPHS = ["image", "node", "none"]


def n_parameters(module):
    return sum(value.numel() for value in module.parameters())


def on_meta(name, n_genes=785, tile_px=None, **settings):
    """A network without numbers, which takes no time to make."""
    with torch.device("meta"):
        return create_model(name, n_genes, tile_px=tile_px, **settings)


def tiles(n, side_px=64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side_px, side_px), generator=draw).to(torch.uint8)


@pytest.mark.parametrize(("name", "n"), [("tcgn", 22_547_073), ("tcgn-xs", 28_660_769)])
def test_it_has_as_many_parameters_as_the_published_one(name, n):
    assert n_parameters(on_meta(name)) == n


@pytest.mark.parametrize(
    ("name", "side_px", "n"), [("tcgn", 160, 9_492_426), ("tcgn-xs", 192, 15_247_208)]
)
def test_without_graph_and_with_one_linear_layer_it_is_the_cmt(name, side_px, n):
    net = on_meta(name, tile_px=side_px, graph="none")
    classifier = (1280 + 1) * 1000
    backbone = n_parameters(net) - n_parameters(net.hidden) - n_parameters(net.head)
    assert backbone + classifier == n


def test_no_graph_leaves_out_graphs_and_channel_attention_and_nothing_else():
    whole, bare = (network("tcgn", graph=graph) for graph in ("image", "none"))
    left_out = whole.state_dict().keys() - bare.state_dict().keys()
    assert {name.partition(".")[0] for name in left_out} == {"graphs", "read_graphs"}
    for name, value in bare.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), "one seed, the same other weights"
    image = tiles(2)
    assert not torch.equal(whole(image).expression, bare(image).expression)
    with pytest.raises(ValueError, match="graph = 'none' has no edges"):
        bare.graph_edges(image)


@pytest.mark.parametrize("graph", GRAPHS)
def test_gradients_reach_every_parameter(graph):
    assert dead_parameters(network("tcgn", graph=graph), {"image": tiles(4)}) == []


def test_weights_are_drawn_as_published():
    torch.manual_seed(0)
    net = create_model("tcgn", n_genes=30, tile_px=64)
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    assert len(linear) > 50
    for layer in linear:
        if layer.weight.numel() > 5000:
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert layer.bias is None or not layer.bias.any()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 5000:
            deviation = math.sqrt(2 / (layer.out_channels * math.prod(layer.kernel_size)))
            assert layer.weight.std().item() == pytest.approx(deviation, rel=0.06)
            assert layer.bias is None or not layer.bias.any()
    for part in (net.stage_a, net.graphs[0], net.graphs[1]):
        assert part.bias.std().item() == pytest.approx(1, abs=0.15)


def test_it_starts_near_the_training_mean():
    net = network("tcgn", graph="none")
    off = predict(net, {"image": tiles(4)}) - torch.linspace(0, 4, N_GENES)
    assert off.abs().max() < 0.5
    assert torch.equal(net.head.linear.bias, torch.linspace(0, 4, N_GENES))


@pytest.mark.parametrize("graph", GRAPHS)
def test_an_image_does_not_depend_on_its_batch(graph):
    net, image = network("tcgn", graph=graph), tiles(8)
    together = predict(net, {"image": image})
    for i in range(8):
        alone = predict(net, {"image": image[i : i + 1]})
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-4)
    turned = predict(net, {"image": image.flip(0)}).flip(0)
    torch.testing.assert_close(turned, together, rtol=0, atol=1e-4)
    assert torch.equal(predict(net, {"image": image}), together)


@pytest.mark.slow
def test_an_image_does_not_depend_on_its_batch_at_the_published_size():
    torch.manual_seed(0)
    net, image = create_model("tcgn", n_genes=785).eval(), tiles(8, 224)
    together = predict(net, {"image": image})
    assert together.shape == (8, 785)
    alone = torch.cat([predict(net, {"image": image[i : i + 1]}) for i in range(8)])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-4)
    turned = predict(net, {"image": image.flip(0)}).flip(0)
    torch.testing.assert_close(turned, together, rtol=0, atol=1e-4)
    assert torch.equal(predict(net, {"image": image}), together)


def test_the_map_and_the_edges_are_those_of_the_prediction():
    net, image = network("tcgn", tile_px=128, resize_px=None), tiles(2, 128)
    last_map = net.class_map(image)
    assert last_map.shape == (2, net.config.pooled_width, 4, 4)
    assert torch.equal(net.genes_of_map(last_map), net(image).expression)
    assert torch.equal(net.head(net.represent(image)), net(image).expression)
    first, second = net.graph_edges(image)
    assert first.source.shape == second.source.shape == (2, 4 * 64)
    read = []
    for graph in net.graphs:
        graph.register_forward_hook(lambda graph, given, _: read.append(graph.edges(given[0])))
    net(image)
    assert torch.equal(read[0].weight, first.weight)
    assert torch.equal(read[1].weight, second.weight)


def test_colours_are_normalised_by_imagenet_whatever_the_training_tiles():
    net = network("tcgn")
    assert net.normalise.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert net.normalise.scale.flatten().tolist() == pytest.approx([58.395, 57.12, 57.375])


def test_tiles_are_resized_first_and_only_if_asked():
    net = network("tcgn", tile_px=112, resize_px=128, graph="none")
    assert net(tiles(2, 112)).expression.shape == net(tiles(2, 200)).expression.shape
    fixed = network("tcgn", tile_px=64, resize_px=None, graph="none")
    with pytest.raises(ValueError, match="made for tiles of 64 px, these have 96 px"):
        fixed(tiles(1, 96))


@pytest.mark.parametrize(
    ("side_px", "sides"), [(112, "96 or 128"), (100, "96 or 128"), (32, "64"), (0, "64")]
)
def test_a_side_that_cannot_be_halved_five_times_is_a_problem_with_the_next_ones(side_px, sides):
    config = make_config("tcgn", {"weights": "random"})
    problem = model_class("tcgn").tile_problem(config, side_px)
    assert f"{side_px} px" in problem.found
    assert f"inputs.tile_px to {sides}, or set resize_px" in problem.remedy
    with pytest.raises(DataContractError, match="multiple of 32 px"):
        create_model("tcgn", n_genes=3, tile_px=side_px or 1)


@pytest.mark.parametrize("side_px", [64, 96, 160, 288])
def test_every_multiple_of_32_from_64_on_makes_a_network(side_px):
    assert on_meta("tcgn", tile_px=side_px).side_px == side_px


def test_more_edges_than_pairs_of_nodes_are_a_problem_with_both_numbers():
    config = make_config("tcgn", {"edges_per_node": 197})
    problem = model_class("tcgn").tile_problem(config, 224)
    assert "38612 edges of 196 nodes" in problem.found
    assert "196 x 196" in problem.expected
    assert (
        model_class("tcgn").tile_problem(make_config("tcgn", {"edges_per_node": 196}), 224) is None
    )
    with pytest.raises(DataContractError, match="197"):
        create_model("tcgn", n_genes=3, edges_per_node=197)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (46, 92, 184)}, "one number per stage"),
        ({"widths": (46, 91, 184, 368), "weights": "random"}, "91 is no multiple of 2"),
        ({"resize_px": 112}, "resize_px = 112: must be a multiple of 32.*96 or 128"),
        ({"expansion": 0.5, "weights": "random"}, "each at least 1"),
        ({"edges_per_node": 0}, "each at least 1"),
        ({"node_width": 7}, "node_width = 7: must be even"),
        ({"blocks": (3, 3, 12, 3)}, "published weights fit widths"),
        ({"graph": "edges"}, "'image', 'node' or 'none'"),
    ],
)
def test_settings_that_describe_no_network_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_config("tcgn", settings)


def test_it_trains_as_its_paper_says():
    recipe = recipe_of(TCGN(facts(224), TCGNConfig(resize_px=224, corners="mean")))
    assert (recipe.optimiser, recipe.learning_rate, recipe.weight_decay) == ("adam", 1e-5, 0.0)
    assert (recipe.schedule, recipe.turned) == ("constant", "any-angle")
    assert (recipe.side_px, recipe.corners) == (224, "mean")


@pytest.mark.parametrize("name", ["tcgn", "tcgn-xs"])
def test_it_starts_from_the_weights_of_its_size_unless_they_are_random(name):
    cls = model_class(name)
    assert cls.initial_encoder(make_config(name, {})) == f"cmt:{name.partition('-')[2] or 'ti'}"
    assert cls.initial_encoder(make_config(name, {"preset": "small"})) is None


def test_a_step_trains_under_bfloat16():
    net, image = network("tcgn").train(), tiles(4)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = net(image)
        loss = net.loss(output.float(), Labels(torch.zeros(4, N_GENES)))
    loss.backward()
    before = {name: value.clone() for name, value in net.named_parameters()}
    assert all(value.grad.isfinite().all() for value in net.parameters())
    optimiser.step()
    still = [name for name, value in net.named_parameters() if torch.equal(value, before[name])]
    assert still == []


@pytest.mark.parametrize("n", [1, 2])
def test_it_trains_on_the_last_spots_of_an_epoch(n):
    net = network("tcgn").train()
    net(tiles(n)).expression.square().sum().backward()
    assert all(value.grad.isfinite().all() for value in net.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS)
def test_small_learns_a_planted_texture_from_random_numbers(graph):
    net = network("tcgn", tile_px=64, preset="small", graph=graph)
    spread = torch.linspace(0.1, 1, 32)[:, None, None, None]  # same colour, more or less grain
    image = 128 + spread * (inputs(net, n=32, tile_px=64)["image"].float() - 128)
    target = 2 * spread[:, :, 0, 0].expand(-1, N_GENES) + torch.linspace(0, 4, N_GENES) - 1.1
    before, after = errors_before_and_after(net, {"image": image}, target, steps=60)
    assert after < 0.3 * before
