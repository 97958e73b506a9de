"""Retro: patches that look exemplars up."""

import numpy as np
import pytest
import torch

from histoscribe.models.base import make_config
from histoscribe.models.networks.retro import Retro, _CrossAttention
from tests.models.networks.networks import (
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    facts,
    inputs,
    network,
    predict,
)

BOTH = pytest.mark.parametrize("with_expression", [False, True])


@BOTH
def test_the_order_of_exemplars_does_not_matter(with_expression):
    net = network("retro", with_expression=with_expression).double()
    seen = inputs(net)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    turned = {n: v if n == "image" else v[:, order] for n, v in seen.items()}
    torch.testing.assert_close(predict(net, turned), predict(net, seen), rtol=0, atol=1e-12)


@BOTH
def test_one_exemplar_repeated_is_one_exemplar(with_expression):
    net = network("retro", with_expression=with_expression).double()
    seen = inputs(net)
    once = {n: v if n == "image" else v[:, :1] for n, v in seen.items()}
    again = {n: v if n == "image" else v.expand(-1, 7, -1) for n, v in once.items()}
    torch.testing.assert_close(predict(net, again), predict(net, once), rtol=0, atol=1e-12)


def test_expression_enters_only_when_asked():
    seen = inputs(network("retro"))
    others = {**seen, "exemplar_target": seen["exemplar_target"].roll(1, dims=0)}
    apart, ours = network("retro"), network("retro", with_expression=True)
    assert torch.equal(predict(apart, others), predict(apart, seen))
    assert (predict(ours, others) - predict(ours, seen)).abs().max() > 1e-4


def test_without_looking_up_it_is_a_vit():
    net, vit = network("retro"), network("vit", seed=5)
    for look_up in net.look_up:
        torch.nn.init.zeros_(look_up.out.weight)
        torch.nn.init.zeros_(look_up.out.bias)
    of_vit = {n: v for n, v in net.state_dict().items() if n in vit.state_dict()}
    vit.load_state_dict(of_vit)
    seen = inputs(net)
    expected = predict(vit, {"image": seen["image"]})
    torch.testing.assert_close(predict(net, seen), expected, rtol=0, atol=1e-6)


def test_looks_up_in_every_second_layer_of_vit_b():
    with torch.device("meta"):
        net = Retro(facts(256), make_config("retro", {}))
    assert len(net.look_up) == 6
    assert len(list(net.patches.layers)) == 12


def test_cross_attention_equals_a_loop():
    torch.manual_seed(0)
    look_up = _CrossAttention(8, 2).double().eval()
    tokens, exemplars = torch.randn(1, 3, 8).double(), torch.randn(1, 4, 8).double()
    w = {name: value.numpy() for name, value in look_up.state_dict().items()}
    x, e = tokens[0].numpy(), exemplars[0].numpy()
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    query = (normal * w["norm.weight"] + w["norm.bias"]) @ w["query.weight"].T + w["query.bias"]
    both = e @ w["key_and_value.weight"].T + w["key_and_value.bias"]
    key, value = both[:, :8], both[:, 8:]
    read = np.zeros((3, 8))
    for token in range(3):
        for head in range(2):
            own = slice(4 * head, 4 * head + 4)
            score = np.exp([query[token, own] @ key[j, own] / 2 for j in range(4)])
            for j in range(4):
                read[token, own] += score[j] / score.sum() * value[j, own]
    expected = read @ w["out.weight"].T + w["out.bias"]
    with torch.no_grad():
        np.testing.assert_allclose(look_up(tokens, exemplars)[0].numpy(), expected, atol=1e-12)


def test_learns_what_only_the_expression_of_exemplars_says():
    net = network("retro", with_expression=True)
    seen = inputs(net, n=32)
    seen["image"] = seen["image"][:1].expand(32, -1, -1, -1)
    seen["exemplar_target"] = seen["exemplar_target"][:, :1].expand(-1, 9, -1)
    target = seen["exemplar_target"][:, 0]
    before, after = errors_before_and_after(net, seen, target, steps=150)
    assert after < 0.3 * before


@BOTH
@pytest.mark.parametrize("n_exemplars", [2, 9])
def test_gradients_reach_every_parameter(with_expression, n_exemplars):
    net = network("retro", with_expression=with_expression)
    seen = inputs(net)
    few = {n: v if n == "image" else v[:, :n_exemplars] for n, v in seen.items()}
    assert dead_parameters(net, few) == []


def test_a_spot_does_not_depend_on_its_batch_mates():
    net = network("retro", with_expression=True)
    seen = inputs(net)
    alone = predict(net, {name: value[:1] for name, value in seen.items()})
    torch.testing.assert_close(predict(net, seen)[:1], alone, rtol=0, atol=1e-5)


def test_refuses_a_depth_that_never_looks_up():
    with pytest.raises(ValueError, match="the depth is 1"):
        make_config("retro", {"depth": 1})


def test_presets_keep_the_choice_of_expression():
    assert make_config("retro", {"preset": "small", "with_expression": True}).with_expression
    assert make_config("retro", {"preset": "tiny"}).with_expression is False
    assert network("retro").represent(**inputs(network("retro"))).shape == (6, 32)
    assert predict(network("retro"), inputs(network("retro"))).shape == (6, N_GENES)
