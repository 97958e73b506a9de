import math

import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.models.base import Facts, create_model
from histoscribe.models.layers.batch_norm import BatchNorm
from histoscribe.models.layers.factor_attention import FactorAttention, Positions, factorised
from histoscribe.models.networks.mpvit import _Stage

GROUPS = (slice(0, 4), slice(4, 10), slice(10, 16))  # 2, 3 and 3 heads of 2 channels


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_factorised_attention_is_its_formula():
    n_heads, width = 8, 24
    q, k, v = drawn(3, 2, 4, 5, width).unbind()
    expected = torch.empty(2, 20, width)
    for head in range(n_heads):
        part = slice(head * 3, head * 3 + 3)
        queries, keys, values = (x.reshape(2, 20, width)[..., part] for x in (q, k, v))
        weight = keys.exp() / keys.exp().sum(dim=1, keepdim=True)
        summary = torch.einsum("bnc,bnd->bcd", weight, values)
        expected[..., part] = torch.einsum("bnc,bcd->bnd", queries, summary) / math.sqrt(3)
    torch.testing.assert_close(factorised(q, k, v), expected.reshape(2, 4, 5, width))


def test_factorised_attention_does_not_know_where_tokens_lie():
    q, k, v = drawn(3, 1, 3, 4, 16).unbind()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    mixed = [x.reshape(1, 12, 16)[:, order].reshape(1, 3, 4, 16) for x in (q, k, v)]
    expected = factorised(q, k, v).reshape(1, 12, 16)[:, order].reshape(1, 3, 4, 16)
    torch.testing.assert_close(factorised(*mixed), expected)


def test_heads_look_through_windows_of_three_five_and_seven():
    positions = Positions(16)
    for look in positions.relative:
        nn.init.ones_(look.weight)
        nn.init.zeros_(look.bias)
    impulse = torch.zeros(1, 9, 9, 16)
    impulse[0, 4, 4] = 1
    seen = positions.around(impulse)[0]
    for channels, side in zip(GROUPS, (3, 5, 7), strict=True):
        expected = torch.zeros(9, 9)
        around = slice(4 - side // 2, 5 + side // 2)
        expected[around, around] = 1
        for channel in range(*channels.indices(16)):
            assert torch.equal(seen[..., channel], expected)


def test_attention_adds_the_query_times_what_lies_around():
    torch.manual_seed(0)
    attend, positions = FactorAttention(16), Positions(16)
    x = drawn(2, 4, 4, 16)
    q, k, v = attend.query_key_value(x).chunk(3, dim=3)
    with torch.no_grad():
        for look in positions.relative:  # the neighbour to the right, and nothing else
            look.weight.zero_()
            look.bias.zero_()
            middle = look.weight.shape[2] // 2
            look.weight[:, :, middle, middle + 1] = 1
    right = torch.cat([v[:, :, 1:], torch.zeros_like(v[:, :, :1])], dim=2)
    expected = attend.project(factorised(q, k, v) + q * right)
    torch.testing.assert_close(attend(x, positions), expected)


def test_positions_are_added_by_a_window_of_three():
    positions = Positions(16)
    nn.init.ones_(positions.absolute.weight)
    nn.init.zeros_(positions.absolute.bias)
    x = torch.ones(1, 4, 4, 16)
    corner, middle = positions.added(x)[0, 0, 0], positions.added(x)[0, 1, 1]
    assert torch.equal(corner, torch.full((16,), 5.0))  # itself and its 4 of the window inside
    assert torch.equal(middle, torch.full((16,), 10.0))


def test_paths_read_patches_of_three_five_and_seven():
    stage = _Stage(8, 8, depth=1, n_paths=3, stride=1).eval()
    x = drawn(1, 8, 11, 11).requires_grad_()
    seen = x
    for patch, side in zip(stage.patches, (3, 5, 7), strict=True):
        seen = patch(seen)
        (reached,) = torch.autograd.grad(seen[0, :, 5, 5].sum(), x, retain_graph=True)
        rows = reached.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
        assert rows.tolist() == list(range(5 - side // 2, 6 + side // 2))


def test_one_value_a_channel_is_normalised_by_the_running_moments():
    norm = BatchNorm(3)
    norm(drawn(8, 3, 4, 4) * 2 + 1)
    before = norm.running_mean.clone(), norm.running_var.clone()
    one = drawn(1, 3, 1, 1)
    trained = norm.train()(one)
    torch.testing.assert_close(trained, norm.eval()(one))
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 2, 1)])
def test_more_values_are_normalised_as_everywhere(shape):
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
    x = drawn(*shape)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)


def test_base_has_the_parameters_of_its_paper():
    facts = Facts(
        feature_mean=np.zeros(1, np.float32),
        feature_scale=np.ones(1, np.float32),
        target_mean=np.zeros(1000, np.float32),  # as many as ImageNet has classes
    )
    with torch.device("meta"):
        model = create_model("mpvit", facts=facts)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert n_parameters == 74_845_976
    assert abs(n_parameters / 74.8e6 - 1) < 0.02
