"""Checkpoints: within epochs and between them, every few minutes, with each weight once."""

import math

import numpy as np
import pytest
import torch

from histoscribe.train.checkpoint_file import CHECKPOINT
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.task import Task
from tests import toys
from tests.contracts.fitting import KilledError, fitted, killed_within, predicted_by
from tests.contracts.tables import planted_table
from tests.train.test_items_in_training import unequal_table


@pytest.fixture(autouse=True, scope="module")
def _toys():
    with toys.registered():
        yield


TRAIN = {"epochs": 4, "batch_size": 16, "warmup_epochs": 2}


def fitted_killed(name, folder, table, place, monkeypatch, **train):
    """Start, be killed at this epoch and step, and go on; gives the model and those steps."""
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_batch_end", killed_within(*place))
        with pytest.raises(KilledError):
            fitted(name, folder, table, **train)
    steps, step = [], Task.training_step

    def counted(self, batch, batch_idx):
        steps.append(batch_idx)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "training_step", counted)
        return fitted(name, folder, table, **train), steps


@pytest.mark.parametrize("place", [(0, 1), (0, 3), (2, 2)])
def test_killed_within_an_epoch_ends_in_the_same_bits(place, tmp_path, monkeypatch):
    table = planted_table(n_spots=80)
    whole = fitted("mlp", tmp_path / "whole", table, **TRAIN)
    again, steps = fitted_killed("mlp", tmp_path / "parts", table, place, monkeypatch, **TRAIN)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(again, table))
    assert whole.model.choice == again.model.choice
    per_epoch = 1 + max(steps)
    following = (TRAIN["epochs"] - place[0] - 1) * [*range(per_epoch)]
    assert steps == [*range(place[1], per_epoch), *following]


@pytest.mark.parametrize(
    ("name", "train"), [(toys.BAG, {"batch_size": 3}), (toys.SECTION, {"accumulate": 2})]
)
def test_the_same_for_items_of_changing_number_and_shared_steps(name, train, tmp_path, monkeypatch):
    table = unequal_table()
    train = {**TRAIN, "batch_size": 2, "batch_spots": 60, **train}
    whole = fitted(name, tmp_path / "whole", table, **train)
    again, _ = fitted_killed(name, tmp_path / "parts", table, (1, 1), monkeypatch, **train)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(again, table))
    assert whole.model.choice == again.model.choice


def test_a_short_training_leaves_its_result_and_no_other_checkpoint(tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr(
        "histoscribe.train.checkpoint_file.CheckpointFile.write",
        lambda self, trainer: writes.append(trainer),
    )
    fitted("mlp", tmp_path, **TRAIN)
    saved = torch.load(tmp_path / "resume-mlp" / CHECKPOINT, weights_only=True)
    assert not writes
    assert list(saved) == ["callbacks"]


@pytest.mark.parametrize(("keep", "n_copies"), [("best", {1, 2}), ("last", {1})])
def test_weights_stand_in_a_checkpoint_once_where_they_are_the_best(
    keep, n_copies, tmp_path, monkeypatch
):
    found, end_epoch = [], EpochEnd.on_train_epoch_end

    def end(self, trainer, pl_module):
        self.file.written = -math.inf
        end_epoch(self, trainer, pl_module)
        saved = torch.load(self.file.path, weights_only=True)
        best = "best" in saved["callbacks"][self.state_key]
        if "state_dict" in saved:
            found.append((self.best_epoch == len(self.scores), 1 + best))

    monkeypatch.setattr(EpochEnd, "on_train_epoch_end", end)
    monkeypatch.setattr(EpochEnd, "_score", lambda self, model: -abs(len(self.scores) - 1.0))
    fitted("mlp", tmp_path, planted_table(n_spots=80), keep=keep, **TRAIN)
    assert {n for _, n in found} == n_copies
    assert all(n == 1 for is_best, n in found if is_best)


def test_a_checkpoint_without_the_count_of_steps_is_one_between_epochs(tmp_path, monkeypatch):
    table, end_epoch = planted_table(n_spots=80), EpochEnd.on_train_epoch_end

    def end(self, trainer, pl_module):
        self.file.written = -math.inf
        end_epoch(self, trainer, pl_module)
        if len(self.scores) == 2:
            saved = torch.load(self.file.path, weights_only=True)
            assert saved["callbacks"][self.state_key].pop("n_steps") == 0
            torch.save(saved, self.file.path)
            raise KilledError

    whole = fitted("mlp", tmp_path / "whole", table, **TRAIN)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", end)
        with pytest.raises(KilledError):
            fitted("mlp", tmp_path / "parts", table, **TRAIN)
    again = fitted("mlp", tmp_path / "parts", table, **TRAIN)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(again, table))
