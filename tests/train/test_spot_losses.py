"""Losses of spots are recorded beside a training, which ends in the same bits."""

import numpy as np
import pytest
import torch

from histoscribe.train.checkpoint_file import CHECKPOINT
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.fit import fit, fit_recorded
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from tests.contracts.fitting import KilledError, killed_after
from tests.contracts.tables import planted_table

EPOCHS = 4


def settings(**run):
    return RunSettings(
        cohort="none",
        models=("mlp",),
        settings={"mlp": {"preset": "tiny"}},
        train=TrainSettings(epochs=EPOCHS, batch_size=32),
        run=MachineSettings(device="cpu", **run),
    )


def recorded(folder, of=None):
    of = settings() if of is None else of
    return fit_recorded(of.row(of.models[0]), planted_table(), of, folder, {})


def test_a_record_changes_no_bit_of_the_training(tmp_path):
    of = settings()
    plain = fit(of.row("mlp"), planted_table(), of, tmp_path / "plain")
    watched, _ = recorded(tmp_path / "recorded")
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, watched.model.state_dict()[name]), name
    assert plain.model.choice == watched.model.choice


def test_the_last_loss_is_that_of_the_kept_network(tmp_path):
    fitted, losses = recorded(tmp_path)
    table, best = planted_table(), fitted.model.choice["epoch"]
    assert losses.n_recorded == len(losses.values) == 1 + EPOCHS
    assert sorted(losses.rows) == sorted(table.inner[0][0])
    with torch.no_grad():
        predicted = fitted.model(feature=torch.from_numpy(table.feature[losses.rows])).expression
    expected = np.square(predicted.numpy() - table.target[losses.rows]).mean(axis=1)
    np.testing.assert_allclose(losses.values[best], expected, rtol=1e-4)


def test_a_killed_training_records_the_same(tmp_path, monkeypatch):
    _, whole = recorded(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(2))
        with pytest.raises(KilledError):
            recorded(tmp_path / "killed")
    assert (tmp_path / "killed" / CHECKPOINT).exists()
    _, resumed = recorded(tmp_path / "killed")
    np.testing.assert_array_equal(whole.values, resumed.values)
    np.testing.assert_array_equal(whole.rows, resumed.rows)


def test_only_networks_of_spots_in_one_process_have_losses_of_spots(tmp_path):
    with pytest.raises(ValueError, match="one process"):
        recorded(tmp_path, settings(devices=2))
    with pytest.raises(TypeError, match="ridge has no loss"):
        recorded(tmp_path, RunSettings(cohort="none", models=("ridge",)))
