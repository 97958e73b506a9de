"""ViTExp: exemplars beside patches."""

import pytest
import torch

from tests.models.networks.networks import (
    N_FEATURES,
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    inputs,
    network,
    predict,
)


def test_the_order_of_exemplars_does_not_matter():
    net = network("vitexp").double()
    seen = inputs(net)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    turned = {**seen, "exemplar_feature": seen["exemplar_feature"][:, order]}
    torch.testing.assert_close(predict(net, turned), predict(net, seen), rtol=0, atol=1e-12)


def test_exemplars_matter():
    net = network("vitexp")
    seen = inputs(net)
    others = {**seen, "exemplar_feature": seen["exemplar_feature"].roll(1, dims=0)}
    assert (predict(net, others) - predict(net, seen)).abs().max() > 1e-4


def test_the_head_reads_patch_tokens_only():
    net = network("vitexp")
    for layer in net.patches.layers:  # nothing passes from token to token any more
        torch.nn.init.zeros_(layer.attn.proj.weight)
    seen = inputs(net)
    others = {**seen, "exemplar_feature": seen["exemplar_feature"].roll(1, dims=0)}
    torch.testing.assert_close(predict(net, others), predict(net, seen), rtol=0, atol=0)


def test_adds_one_projection_to_a_vit():
    def count(name):
        return sum(value.numel() for value in network(name).parameters())

    assert count("vitexp") - count("vit") == 32 * (N_FEATURES + 1)


def test_a_feature_that_is_constant_in_training_is_ignored():
    net = network("vitexp")
    seen = inputs(net)
    other = seen["exemplar_feature"].clone()
    other[..., -1] += 100
    torch.testing.assert_close(
        predict(net, {**seen, "exemplar_feature": other}), predict(net, seen), rtol=0, atol=0
    )


def test_learns_what_only_exemplars_say():
    net = network("vitexp")
    seen = inputs(net, n=32)
    seen["image"] = seen["image"][:1].expand(32, -1, -1, -1)
    said = seen["exemplar_feature"][..., :1].mean(dim=1)
    target = 3 * said + torch.linspace(0, 4, N_GENES)
    before, after = errors_before_and_after(net, seen, target, steps=150)
    assert after < 0.3 * before


@pytest.mark.parametrize("n_exemplars", [1, 9])
def test_gradients_reach_every_parameter(n_exemplars):
    net = network("vitexp")
    seen = inputs(net)
    seen["exemplar_feature"] = seen["exemplar_feature"][:, :n_exemplars]
    assert dead_parameters(net, seen) == []


def test_a_spot_does_not_depend_on_its_batch_mates():
    net = network("vitexp")
    seen = inputs(net)
    alone = predict(net, {name: value[:1] for name, value in seen.items()})
    torch.testing.assert_close(predict(net, seen)[:1], alone, rtol=0, atol=1e-5)
