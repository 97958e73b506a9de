"""Attention of the SpatialTranscriptFormer: every subset of flows, without spots by spots."""

from itertools import chain, combinations

import pytest
import torch
from torch import nn
from torch.nn import functional

from histoscribe.models.layers.pathway_attention import FLOWS
from tests.models.networks.stformers import (
    SIZES,
    model,
    sections,
    slow_scores,
    slow_tokens,
    square_mask,
)

SUBSETS = [*chain.from_iterable(combinations(FLOWS, n) for n in range(5))]
APART = [flows for flows in SUBSETS if not {"h2h", "p2h"} & set(flows)]


def named(flows):
    return "+".join(flows) or "none"


def gradients(model, inputs, genes):
    """Gradients of a fixed loss by every weight and by the features."""
    model.zero_grad(set_to_none=True)
    inputs["context_feature"].grad = None
    draws = torch.Generator().manual_seed(7)
    weight = torch.randn(genes.shape, generator=draws)
    (genes * weight)[inputs["present"]].mean().backward()
    of = {name: parameter.grad for name, parameter in model.named_parameters()}
    return of | {"features": inputs["context_feature"].grad}


def test_there_are_sixteen_subsets():
    assert len(set(map(frozenset, SUBSETS))) == 16


@pytest.mark.parametrize("flows", SUBSETS, ids=named)
def test_every_subset_gives_what_a_square_mask_gives(flows):
    fast, inputs = model(interactions=flows), sections()
    inputs["context_feature"].requires_grad_()
    there = inputs["present"]
    ours = fast(**inputs).expression
    slow = fast.head(slow_scores(fast, inputs))
    torch.testing.assert_close(ours[there], slow[there], atol=1e-5, rtol=0)
    of_ours, of_slow = gradients(fast, inputs, ours), gradients(fast, inputs, slow)
    for name, value in of_ours.items():
        torch.testing.assert_close(value, of_slow[name], atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("flows", SUBSETS, ids=named)
def test_padded_and_shuffled_sections_give_the_same(flows):
    fast, inputs = model(interactions=flows), sections()
    there = inputs["present"]
    with torch.no_grad():
        expected = fast(**inputs).expression
        for place, size in enumerate(SIZES):
            order = torch.randperm(size, generator=torch.Generator().manual_seed(place))
            alone = {name: value[place : place + 1, order] for name, value in inputs.items()}
            found = fast(**alone).expression[0]
            torch.testing.assert_close(found, expected[place, order], atol=1e-5, rtol=0)
    assert (expected[~there] == 0).all()


@pytest.mark.parametrize("flows", APART, ids=named)
def test_nothing_passes_between_spots_without_h2h_and_p2h(flows):
    fast, inputs = model(interactions=flows), sections()
    changed = {**inputs, "context_feature": inputs["context_feature"].clone()}
    changed["context_feature"][0, 3] += 1
    with torch.no_grad():
        before, after = fast(**inputs).expression, fast(**changed).expression
    others = torch.ones(before.shape[:2], dtype=torch.bool)
    others[0, 3] = False
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[0, 3], after[0, 3])


@pytest.mark.parametrize("flows", [("h2h",), ("p2h", "h2p")], ids=named)
def test_spots_learn_of_each_other_directly_or_by_way_of_pathways(flows):
    fast, inputs = model(interactions=flows), sections()
    changed = {**inputs, "context_feature": inputs["context_feature"].clone()}
    changed["context_feature"][0, 3] += 1
    with torch.no_grad():
        before, after = fast(**inputs).expression, fast(**changed).expression
    assert ((before - after)[0, :3].abs().amax(dim=1) > 1e-6).all()
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("flows", SUBSETS, ids=named)
def test_maps_are_the_weights_of_the_slow_encoder(flows):
    fast, inputs = model(interactions=flows), sections()
    rows = (0,)
    with torch.no_grad():
        layers = fast.attention(**inputs, spots=rows)
        pathways, spots = _first_tokens(fast, inputs)
        for place, size in enumerate(SIZES):
            found = layers[0][place]
            weight = _slow_weights(fast, pathways, spots[place, :size], flows)
            n = len(pathways)
            torch.testing.assert_close(found.pathway_to_pathway, weight[:, :n, :n])
            torch.testing.assert_close(found.pathway_to_spot, weight[:, :n, n:])
            torch.testing.assert_close(found.spot_to_pathway, weight[:, n:, :n])
            torch.testing.assert_close(found.spot_to_spot, weight[:, n:, n:][:, list(rows)])
    assert len(layers) == 2


def test_asking_for_attention_changes_no_bit():
    fast, inputs = model().eval(), sections()
    with torch.no_grad():
        before = fast(**inputs)
        fast.attention(**inputs, spots=(0,))
        after = fast(**inputs)
    assert torch.equal(before.expression, after.expression)
    assert torch.equal(before.heads["pathways"], after.heads["pathways"])


def test_maps_of_the_last_layer_follow_from_the_layers_before():
    fast, inputs = model().eval(), sections((9,))
    with torch.no_grad():
        (first, last), _ = fast.attention(**inputs), None
        pathways, spots = slow_tokens_before_last(fast, inputs)
        weight = _slow_weights(fast, pathways, spots, FLOWS, layer=1)
    torch.testing.assert_close(last[0].pathway_to_spot, weight[:, :5, 5:])
    assert not torch.allclose(first[0].pathway_to_spot, last[0].pathway_to_spot)


@pytest.mark.parametrize("flows", SUBSETS, ids=named)
def test_no_array_of_spots_by_spots_waits_for_the_gradient(flows):
    n_spots = 300
    waiting = kept(lambda: model(interactions=flows, dropout=0.1)(**sections((n_spots,))))
    assert max(waiting) < n_spots**2


def test_dropout_on_attention_weights_would_keep_spots_by_spots():
    # the reason why dropout stands behind attention: with it, torch keeps the weights of all pairs
    n_spots = 300
    q = torch.randn(1, 4, n_spots, 8, requires_grad=True)

    def attention(dropout):
        return functional.scaled_dot_product_attention(q, q, q, dropout_p=dropout)

    assert max(kept(lambda: attention(0.1))) >= 4 * n_spots**2
    assert max(kept(lambda: attention(0.0))) < n_spots**2


def kept(work):
    """Number of values of each array that a computation keeps for its gradient."""
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sizes


def _first_tokens(fast, inputs):
    standard = (inputs["context_feature"] - fast.feature_mean) / fast.feature_scale
    places = torch.stack([fast.position(um) for um in inputs["context_um"]])
    return fast.pathways, fast.embed(standard) + places


def slow_tokens_before_last(fast, inputs):
    """Tokens of one section before the last layer."""
    layers, norm = fast.transformer.layers, fast.transformer.norm
    fast.transformer.layers, fast.transformer.norm = layers[:-1], nn.Identity()
    pathways, spots = slow_tokens(fast, inputs)
    fast.transformer.layers, fast.transformer.norm = layers, norm
    return pathways[0], spots[0]


def _slow_weights(fast, pathways, spots, flows, layer=0):
    """Attention weights of every pair of tokens of one section, by head."""
    ours = fast.transformer.layers[layer]
    tokens = ours.norm(torch.cat([pathways, spots]))[None]
    _, weight = functional.multi_head_attention_forward(
        *(3 * [tokens.transpose(0, 1)]),
        embed_dim_to_check=tokens.shape[2],
        num_heads=ours.attention._n_heads,
        in_proj_weight=ours.attention.qkv.weight,
        in_proj_bias=ours.attention.qkv.bias,
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=ours.attention.out.weight,
        out_proj_bias=ours.attention.out.bias,
        attn_mask=square_mask(flows, len(pathways), len(spots)),
        average_attn_weights=False,
    )
    return weight[0]
