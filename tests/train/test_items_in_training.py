"""Sections and bags in training: stopped and started again, they end in the same bits."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from histoscribe.models.base import register
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.types import SpotKeys
from tests import toys
from tests.contracts.fitting import KilledError, fitted, killed_after, predicted_by
from tests.contracts.tables import planted_table


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        yield


class Recomputing(toys.SectionMean):
    """A toy that offers to compute its layers again, and remembers whether it was told to."""

    checkpointing = False

    def forward(self, context_feature, context_um, present):
        self.told.add((self.training, self.checkpointing))
        return super().forward(context_feature, context_um, present)

    told: ClassVar[set] = set()


def test_a_model_is_told_to_compute_its_layers_again(tmp_path):
    register("recomputing")(Recomputing)
    fitted("recomputing", tmp_path / "one", epochs=1)
    assert (True, False) in Recomputing.told
    Recomputing.told.clear()
    fitted("recomputing", tmp_path / "two", epochs=1, checkpoint=True)
    assert (True, True) in Recomputing.told
    assert (True, False) not in Recomputing.told


def unequal_table():
    """Nine sections of 4 to 60 spots, of four patients."""
    table = planted_table()
    section = np.repeat(list("abcdefghi"), [60, 45, 11, 4, 23, 37, 6, 18, 36])
    patient, keys = table.keys.patient_names, table.keys
    return dataclasses.replace(table, keys=SpotKeys.of_names(section, patient, keys.spot))


@pytest.mark.parametrize("name", [toys.SECTION, toys.BAG])
def test_batches_of_changing_number_end_in_the_same_bits_when_started_again(
    name, tmp_path, monkeypatch
):
    table, train = unequal_table(), {"epochs": 5, "batch_size": 3, "batch_spots": 60}
    train["warmup_epochs"] = 2
    whole = fitted(name, tmp_path / "whole", table, **train)
    for n_epochs in (1, 3):
        with monkeypatch.context() as patch:
            patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(n_epochs))
            with pytest.raises(KilledError):
                fitted(name, tmp_path / "parts", table, **train)
    resumed = fitted(name, tmp_path / "parts", table, **train)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(resumed, table))
    assert whole.model.choice == resumed.model.choice
