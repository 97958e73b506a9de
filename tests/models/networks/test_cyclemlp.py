import numpy as np
import pytest
import torch

from histoscribe.models.base import Facts, create_model
from histoscribe.models.layers.cycle_fc import CycleFC
from histoscribe.models.networks.cyclemlp import _Aside


def as_a_loop(layer, x, step, axis):
    """The formula of the paper, channel by channel and position by position."""
    _, n_rows, n_columns, n_channels = x.shape
    read = torch.zeros_like(x)
    for channel in range(n_channels):
        aside = channel % step - step // 2
        for i in range(n_rows):
            for j in range(n_columns):
                row, column = (i + aside, j) if axis == "height" else (i, j + aside)
                if 0 <= row < n_rows and 0 <= column < n_columns:
                    read[:, i, j, channel] = x[:, row, column, channel]
    return read @ layer.mix.weight.T + layer.mix.bias


@pytest.mark.parametrize("axis", ["height", "width"])
@pytest.mark.parametrize(("n_channels", "step"), [(16, 7), (7, 7), (5, 3), (4, 1), (3, 7)])
def test_the_cycle_layer_is_the_loop_over_channels(axis, n_channels, step):
    torch.manual_seed(0)
    layer = CycleFC(n_channels, step, axis)
    x = torch.randn(2, 5, 9, n_channels)  # 5 rows: some offsets of 7 leave the map
    torch.testing.assert_close(layer(x), as_a_loop(layer, x, step, axis))


def test_a_channel_is_moved_to_the_bit():
    x = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 2, 4, 3) * 1.1
    moved = CycleFC(3, 3, "width").shifted(x)
    assert torch.equal(moved[..., 1], x[..., 1])
    assert torch.equal(moved[:, :, 1:, 0], x[:, :, :-1, 0])
    assert torch.equal(moved[:, :, :-1, 2], x[:, :, 1:, 2])
    assert not moved[:, :, 0, 0].any()
    assert not moved[:, :, -1, 2].any()


def test_a_cycle_layer_on_one_position_reads_the_channels_without_offset_only():
    x = torch.ones(1, 1, 1, 14)
    seen = CycleFC(14, 7, "height").shifted(x)[0, 0, 0]
    assert seen.nonzero().flatten().tolist() == [3, 10]


def test_an_even_step_is_refused():
    with pytest.raises(ValueError, match="step of 4"):
        CycleFC(8, 4, "width")


def test_shifts_are_not_saved_with_the_weights():
    assert set(CycleFC(8, 7, "width").state_dict()) == {"mix.weight", "mix.bias"}


def test_a_block_looks_one_position_aside_as_in_the_released_code():
    torch.manual_seed(0)
    aside = _Aside(6)
    x, there = torch.randn(1, 7, 7, 6), {}
    moved = x.clone()
    moved[0, 3, 3] += 1
    for name in ("height", "width"):
        branch = getattr(aside, name)
        changed = (branch(moved) - branch(x)).abs().sum(dim=-1)[0] > 0
        there[name] = set(map(tuple, changed.nonzero().tolist()))
    assert there == {"height": {(2, 3), (3, 3), (4, 3)}, "width": {(3, 2), (3, 3), (3, 4)}}


def test_branches_of_equal_weight_are_averaged():
    torch.manual_seed(0)
    aside = _Aside(8)
    torch.nn.init.zeros_(aside.weigh[2].weight)
    torch.nn.init.zeros_(aside.weigh[2].bias)
    x = torch.randn(2, 4, 4, 8)
    mean = (aside.height(x) + aside.width(x) + aside.place(x)) / 3
    torch.testing.assert_close(aside(x), aside.project(mean))


def test_a_branch_of_all_the_weight_stands_alone():
    torch.manual_seed(0)
    aside = _Aside(8)
    torch.nn.init.zeros_(aside.weigh[2].weight)
    with torch.no_grad():
        aside.weigh[2].bias.copy_(torch.tensor([0.0, 200.0, 0.0]).repeat_interleave(8))
    x = torch.randn(2, 4, 4, 8)
    torch.testing.assert_close(aside(x), aside.project(aside.width(x)))


def test_b2_has_the_parameters_of_its_paper():
    facts = Facts(
        feature_mean=np.zeros(1, np.float32),
        feature_scale=np.ones(1, np.float32),
        target_mean=np.zeros(1000, np.float32),  # as many as ImageNet has classes
    )
    with torch.device("meta"):
        model = create_model("cyclemlp", facts=facts)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert n_parameters == 26_807_752
    assert abs(n_parameters / 26.8e6 - 1) < 0.02
