"""The Exemplar Guided Network computes its equations, in the paper's form and the released one."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from histoscribe.errors import DataContractError
from histoscribe.models.base import Facts, create_model, make_config
from histoscribe.models.networks.egn import EGNConfig
from histoscribe.models.networks.egn_parts import ExemplarState
from histoscribe.models.networks.egn_released import ReleasedConfig
from histoscribe.types import Labels, Output
from tests.models.networks.networks import recipe_of

NAMES = ("egn", "egn-released")
WIDTH, GENES, TILE_PX, DIM, TOKENS = 12, 5, 32, 32, 16


def facts(width=WIDTH, n_genes=GENES, tile_px=TILE_PX):
    rng = np.random.default_rng(1)
    return Facts(
        feature_mean=rng.normal(size=width),
        feature_scale=rng.uniform(0.5, 2.0, size=width),
        target_mean=rng.uniform(0.0, 3.0, size=n_genes),
        tile_px=tile_px,
        image_mean=(190.0, 140.0, 180.0),
        image_scale=(40.0, 50.0, 35.0),
    )


def network(name, seed=0, **settings):
    torch.manual_seed(seed)
    return create_model(name, facts=facts(), **({"preset": "tiny"} | settings)).eval()


def inputs(n_spots=6, n_exemplars=4, seed=2):
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, 256, (n_spots, 3, TILE_PX, TILE_PX), generator=draw, dtype=torch.uint8),
        torch.randn(n_spots, WIDTH, generator=draw),
        torch.randn(n_spots, n_exemplars, WIDTH, generator=draw),
        3 * torch.rand(n_spots, n_exemplars, GENES, generator=draw),
    )


def state(seed=3, n_exemplars=4):
    """Tokens, query and exemplars on their way through the layers."""
    draw = torch.Generator().manual_seed(seed)
    shapes = ((2, TOKENS), (2,), (2, n_exemplars), (2, n_exemplars))
    tokens, query, code, expression = (torch.randn(*s, DIM, generator=draw) for s in shapes)
    return tokens, query, ExemplarState(code, expression)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def shut(bridge):
    """Let every sigmoid of a bridging block be zero."""
    with torch.no_grad():
        for layer in (bridge.gates.out, bridge.opening[-1]):
            layer.weight.zero_()
            layer.bias.fill_(-torch.inf)
    return bridge


def test_with_its_gates_shut_a_block_changes_neither_image_tokens_nor_query(name):
    tokens, query, exemplars = state()
    for bridge in network(name).bridges.values():
        after = shut(bridge)(tokens, query, exemplars)
        assert torch.equal(after[0], tokens)
        assert torch.equal(after[1], query)


def halved(bridge):
    """Let every gate of a block be one half, so that its sums can be written down."""
    with torch.no_grad():
        for layer in (bridge.gates.out, bridge.opening[-1]):
            layer.weight.zero_()
            layer.bias.zero_()
    return bridge


def test_the_paper_goes_on_from_the_revised_query_and_expression():
    bridge = halved(network("egn").bridges["1"])
    tokens, query, exemplars = state()
    revised = bridge.expression(exemplars.expression)
    of_query, of_tokens = (0.5 * bridge.from_tokens(bridge.norm(tokens))).chunk(2, dim=-1)
    after_tokens, after_query, after = bridge(tokens, query, exemplars)
    torch.testing.assert_close(after_tokens, tokens + bridge.to_tokens(of_tokens))
    start = query + 0.5 * revised.mean(dim=1)
    torch.testing.assert_close(after_query, start + bridge.to_query(of_query.mean(dim=1)))
    torch.testing.assert_close(after.code, exemplars.code + 0.5 * revised)
    assert torch.equal(after.expression, revised)


def test_the_released_code_goes_on_from_the_old_query_and_keeps_the_expression():
    bridge = halved(network("egn-released").bridges["1"])
    tokens, query, exemplars = state()
    traded = 0.5 * bridge.from_tokens(tokens)
    after_tokens, after_query, after = bridge(tokens, query, exemplars)
    torch.testing.assert_close(after_tokens, tokens + bridge.to_tokens(traded))
    torch.testing.assert_close(after_query, query + bridge.to_query(traded.mean(dim=1)))
    value = 0.5 * bridge.value(exemplars.expression)
    torch.testing.assert_close(after.code, bridge.code_norm(exemplars.code + value))
    assert after.expression is exemplars.expression


def test_each_head_opens_its_own_gate_at_each_patch(name):
    bridge = shut(network(name).bridges["1"])
    head, patch = 1, 5
    with torch.no_grad():
        bridge.opening[-1].bias.view(TOKENS, bridge.heads)[patch, head] = torch.inf
    tokens, query, exemplars = state()
    after, _, _ = bridge(tokens, query, exemplars)
    moved = (after != tokens).any(dim=-1)
    assert moved[:, patch].all()
    assert moved.sum() == len(tokens)
    with torch.no_grad():
        bridge.to_tokens.weight.view(DIM, bridge.heads, -1)[:, head] = 0
    assert torch.equal(bridge(tokens, query, exemplars)[0], tokens)


def test_only_the_released_code_adds_positions_before_every_attention(name):
    model = network(name, sees="image", depth=2)
    image = inputs()[0]
    again = model.position if name == "egn-released" else None
    tokens = model.patches(model.tiles(image)) + model.position
    for layer in model.layers:
        tokens = layer.think(layer.attend(tokens, again))
    expected = model.joined_norm(model.pool(model.token_norm(tokens)))
    torch.testing.assert_close(model.represent(*inputs()), expected)
    assert model.position.std().item() == pytest.approx(1 if again is not None else 0.02, rel=0.15)


def test_the_presets_weigh_correlation_and_fall_in_rate_each_in_its_own_way():
    predicted, target = torch.randn(8, GENES), torch.randn(8, GENES)
    paper, released = (network(name) for name in NAMES)
    squared = torch.nn.functional.mse_loss(predicted, target)
    output, labels = Output(predicted), Labels(target)
    correlation = paper.loss(output, labels) - squared
    lost = [1 - np.corrcoef(predicted[:, g], target[:, g])[0, 1] for g in range(GENES)]
    assert correlation.item() == pytest.approx(np.mean(lost), abs=1e-5)
    torch.testing.assert_close(released.loss(output, labels) - squared, 0.5 * correlation)
    assert recipe_of(paper).schedule == "cosine"
    assert recipe_of(released).schedule == "warm-restarts"
    assert {EGNConfig().learning_rate, ReleasedConfig().learning_rate} == {5e-4}


def test_a_batch_of_one_spot_has_a_loss_and_gradients(name):
    model = network(name)
    output = model(*inputs(1))
    loss = model.loss(output, Labels(torch.zeros(1, GENES)))
    loss.backward()
    assert loss.item() == pytest.approx(output.expression.square().mean().item())
    assert all(torch.isfinite(value.grad).all() for value in model.parameters())


def test_the_order_of_exemplars_does_not_matter(name):
    image, feature, code, target = inputs()
    order = torch.tensor([2, 0, 3, 1])
    turned = network(name)(image, feature, code[:, order], target[:, order]).expression
    torch.testing.assert_close(turned, network(name)(*inputs()).expression)


def test_one_exemplar_many_times_is_one_exemplar(name):
    image, feature, code, target = inputs(n_exemplars=1)
    model = network(name)
    many = model(image, feature, code.expand(-1, 7, -1), target.expand(-1, 7, -1)).expression
    torch.testing.assert_close(many, model(image, feature, code, target).expression)


def test_a_spot_does_not_depend_on_its_batch_mates(name):
    model, given = network(name), inputs()
    together = model(*given).expression
    alone = torch.cat([model(*(part[i : i + 1] for part in given)).expression for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


SIGHTS = ("exemplars", "feature", "image")


@pytest.mark.parametrize("sees", SIGHTS)
@pytest.mark.parametrize("depth", [2, 3])
def test_gradients_reach_every_parameter(name, sees, depth):
    model = network(name, sees=sees, depth=depth, bridge_every=2).train()
    model.loss(model(*inputs()), Labels(torch.rand(6, GENES))).backward()
    missed = [key for key, value in model.named_parameters() if value.grad is None]
    assert missed == []
    assert [key for key, value in model.named_parameters() if not value.grad.any()] == []


@pytest.mark.parametrize("sees", SIGHTS)
def test_a_network_is_moved_by_what_it_sees_and_by_nothing_else(name, sees):
    model, given, others = network(name, sees=sees), inputs(), inputs(seed=9)
    before = model(*given).expression
    for place, seen_by in enumerate([SIGHTS, SIGHTS[:2], SIGHTS[:1], SIGHTS[:1]]):
        changed = [*given[:place], others[place], *given[place + 1 :]]
        assert torch.equal(model(*changed).expression, before) == (sees not in seen_by)


@pytest.mark.parametrize("sees", SIGHTS)
def test_the_last_layer_reads_the_representation(name, sees):
    model = network(name, sees=sees)
    representation = model.represent(*inputs())
    assert representation.shape == (6, DIM if sees == "image" else 2 * DIM)
    assert torch.equal(model.head.linear(representation), model(*inputs()).expression)


def test_bytes_and_floats_of_an_image_give_one_prediction(name):
    model, (image, *rest) = network(name), inputs()
    assert torch.equal(model(image, *rest).expression, model(image.float(), *rest).expression)


def test_half_precision_gives_nearly_the_same(name):
    model = network(name)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(*inputs()).expression.float()
    full = model(*inputs()).expression
    assert (half - full).abs().max() < 0.02 * full.std()


def test_a_constant_feature_and_a_new_value_of_it_change_nothing(name):
    told = facts()
    told.feature_scale[0] = np.inf  # as `mean_and_scale` marks a feature without spread
    model = create_model(name, facts=told, preset="tiny").eval()
    image, feature, code, target = inputs()
    before = model(image, feature, code, target).expression
    feature[:, 0] += 100
    assert torch.equal(model(image, feature, code, target).expression, before)


def test_the_released_network_has_the_published_parameters_less_those_that_nothing_reads():
    with torch.device("meta"):
        model = create_model("egn-released", facts=facts(2048, 250, 256))
    made = sum(value.numel() for value in model.parameters())
    assert made == pytest.approx(133_356_794, rel=0.03)
    dim, inner, hidden = 1024, 512, 256
    unused_outputs = 4 * (inner * dim + dim)
    unused_position = dim
    last_exemplars = (hidden * dim + dim) + 2 * dim  # their gate and their norm
    assert made + unused_outputs + unused_position + last_exemplars == 133_356_794


def test_at_full_size_the_exemplars_cost_a_tenth_of_the_bare_transformer(name):
    spot = [torch.zeros(1, *shape) for shape in ((3, 256, 256), (2048,), (9, 2048), (9, 250))]
    with torch.device("meta"):
        model = create_model(name, facts=facts(2048, 250, 256)).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.represent(*(part.to("meta") for part in spot))
    dim, n = 1024, 64
    layer = 4 * dim**2 + 2 * dim * 4096 + 2 * n * dim  # per token
    bare = 2 * n * (3 * 32 * 32 * dim + 8 * layer)
    assert 1.0 < counter.get_total_flops() / bare <= 1.10


@pytest.mark.parametrize(
    ("tile_px", "sizes"), [(250, "224 or 256"), (30, "32"), (0, "32"), (257, "256 or 288")]
)
def test_a_tile_that_is_not_whole_patches_is_refused_with_the_sizes_near_it(name, tile_px, sizes):
    with pytest.raises(DataContractError) as error:
        create_model(name, facts=facts(tile_px=tile_px))
    assert f"set inputs.tile_px to {sizes}, or" in str(error.value)
    cls = type(network(name))
    assert cls.tile_problem(cls.Config(), tile_px) == error.value.problems[0]
    assert cls.tile_problem(cls.Config(), 224) is None


def test_sizes_that_make_no_network_are_named_all_at_once(name):
    with pytest.raises(ValueError, match=r"heads must divide dim.*bridge_every = 3: none of 2"):
        make_config(name, {"heads": 7, "depth": 2, "bridge_every": 3})
    with pytest.raises(ValueError, match="patch_px, heads: at least 1"):
        make_config(name, {"heads": 0, "patch_px": -1})
    config = make_config(name, {})
    object.__setattr__(config, "sees", "exemplar")  # past the type check of tests
    with pytest.raises(ValueError, match="sees = 'exemplar': choose exemplars, feature, image"):
        config.__post_init__()
    assert make_config(name, {"sees": "feature", "depth": 2, "bridge_every": 3}).depth == 2


# the released block lets expression reach the prediction through gates only: it learns less of it
@pytest.mark.parametrize(("name", "floor"), [("egn", 0.8), ("egn-released", 0.35)])
def test_what_only_exemplars_know_is_learned_from_them_alone(name, floor):
    n_fit = 200
    image, feature, code, target = inputs(300, n_exemplars=3)
    truth = target.mean(dim=1)
    held_out = {}
    for sees in ("exemplars", "feature"):
        model = network(name, sees=sees).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=recipe_of(model).learning_rate)
        for step in range(60):
            rows = torch.arange(50) + 50 * (step % (n_fit // 50))
            given = (image[rows], feature[rows], code[rows], target[rows])
            optimiser.zero_grad()
            model.loss(model(*given), Labels(truth[rows])).backward()
            optimiser.step()
        with torch.no_grad():
            seen = model.eval()(*(part[n_fit:] for part in (image, feature, code, target)))
        of = [np.corrcoef(seen.expression[:, g], truth[n_fit:, g])[0, 1] for g in range(GENES)]
        held_out[sees] = np.mean(of)
    assert held_out["exemplars"] > floor
    assert held_out["feature"] < 0.2
