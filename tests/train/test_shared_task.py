"""Steps over several batches are those of one large batch, whatever the loss."""

import numpy as np
import pytest
import torch

from histoscribe.models.base import register
from histoscribe.models.networks.mlp import MLP, MLPConfig
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.shared_task import whole_batch
from histoscribe.types import CountDistribution, Labels, Output
from tests import toys
from tests.contracts.fitting import KilledError, fitted, killed_after, predicted_by
from tests.contracts.tables import planted_table
from tests.train.test_items_in_training import unequal_table


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        register("sum-loss")(SumLoss)
        yield


def part(n_items, n_spots):
    """Outputs and labels of some items of these numbers of spots, with every field."""
    draw = torch.Generator().manual_seed(n_spots)
    shape = (n_items, n_spots)
    made = {name: torch.rand(*shape, 3, generator=draw) for name in ("target", "counts", "rate")}
    output = Output(
        made["rate"],
        {"pathways": torch.rand(*shape, 2, generator=draw)},
        CountDistribution(made["rate"], made["counts"] + 1),
    )
    labels = Labels(
        target=made["target"],
        present=torch.ones(shape, dtype=torch.bool),
        patient=torch.arange(n_items),
        counts=made["counts"],
        size_factor=torch.rand(shape, generator=draw),
        pathways=torch.rand(*shape, 2, generator=draw),
    )
    return output, labels


def test_batches_are_put_together_item_by_item_with_padding():
    parts = [part(2, 3), part(1, 5), part(3, 1)]
    output, labels = whole_batch(parts)
    assert output.expression.shape == (6, 5, 3)
    assert labels.present.sum(dim=1).tolist() == [3, 3, 5, 1, 1, 1]
    assert labels.patient.tolist() == [0, 1, 0, 0, 1, 2]
    start = 0
    for of, given in parts:
        here = slice(start, start + len(given.patient))
        size = given.present.shape[1]
        for joined, single in zip(output.tensors, of.tensors, strict=True):
            assert torch.equal(joined[here, :size], single)
        for name in ("target", "counts", "size_factor", "pathways", "present"):
            assert torch.equal(getattr(labels, name)[here, :size], getattr(given, name))
        start = here.stop


def test_spots_and_bags_are_put_together_as_they_are():
    ones = [
        (Output(torch.ones(n, 2)), Labels(torch.zeros(n, 2), site=torch.arange(n))) for n in (1, 3)
    ]
    output, labels = whole_batch(ones)
    assert (output.expression.shape, labels.target.shape) == ((4, 2), (4, 2))
    assert (labels.present, labels.site.tolist()) == (None, [0, 0, 1, 2])


class SumLoss(MLP):
    """A network whose loss is a sum over the spots of a batch."""

    def loss(self, output, labels):
        return (output.expression - labels.target).square().sum()


@pytest.fixture
def _no_dropout(monkeypatch):
    monkeypatch.setattr(MLPConfig, "tiny", classmethod(lambda cls: cls(hidden=8, dropout=0.0)))


def weights(made):
    return {name: value.numpy() for name, value in made.model.state_dict().items()}


@pytest.mark.usefixtures("_no_dropout")
@pytest.mark.parametrize("loss", ["model", "mse-pcc"])
@pytest.mark.parametrize(
    ("name", "batch_size"), [(toys.SECTION, 2), (toys.BAG, 1), ("mlp", 7), ("linear-probe", 7)]
)
def test_accumulated_batches_give_the_weights_of_the_large_batch(name, batch_size, loss, tmp_path):
    # not with all items in a step: the last bias then starts with a gradient of zero, and AdamW
    # steps by the sign of its rounding; a correlation alone leaves it without a gradient, too
    table, train = unequal_table(), {"epochs": 2, "loss": loss, "keep": "last"}
    large = fitted(name, tmp_path / "large", table, batch_size=3 * batch_size, **train)
    small = fitted(name, tmp_path / "small", table, batch_size=batch_size, accumulate=3, **train)
    expected = weights(large)
    for key, value in weights(small).items():
        np.testing.assert_allclose(value, expected[key], atol=1e-6, err_msg=key)


@pytest.mark.usefixtures("_no_dropout")
def test_a_sum_over_the_batch_is_a_sum_over_its_parts(tmp_path):
    rate = {"epochs": 1, "keep": "last"}
    large = fitted("sum-loss", tmp_path / "large", batch_size=21, **rate)
    small = fitted("sum-loss", tmp_path / "small", batch_size=7, accumulate=3, **rate)
    expected = weights(large)
    for key, value in weights(small).items():
        np.testing.assert_allclose(value, expected[key], atol=1e-6, err_msg=key)


def test_running_statistics_see_each_batch_once(tmp_path):
    train = {"epochs": 1, "keep": "last", "batch_size": 40, "accumulate": 2}
    made = fitted("stnet", tmp_path, planted_table(n_spots=80), **train)
    tracked = [value for name, value in made.model.named_buffers() if "tracked" in name]
    assert {int(value) for value in tracked} == {2}


@pytest.mark.parametrize(("name", "batch_size"), [(toys.SECTION, 2), ("mlp", 20)])
def test_accumulation_started_again_ends_in_the_same_bits(name, batch_size, tmp_path, monkeypatch):
    table = unequal_table()
    train = {
        "epochs": 4,
        "batch_size": batch_size,
        "batch_spots": 60,
        "accumulate": 3,
        "warmup_epochs": 2,
    }
    whole = fitted(name, tmp_path / "whole", table, **train)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(2))
        with pytest.raises(KilledError):
            fitted(name, tmp_path / "parts", table, **train)
    resumed = fitted(name, tmp_path / "parts", table, **train)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(resumed, table))
    assert whole.model.choice == resumed.model.choice
