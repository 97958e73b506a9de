"""Two processes train as one with accumulation: same weights on both, each item once."""

from collections import Counter
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import ProcessRaisedException, start_processes

from histoscribe.data.items.kinds import training_sides
from histoscribe.data.items.spots import SpotItems
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import Facts, create_model
from histoscribe.progress import drawn_by
from histoscribe.train import processes
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.fit import fit
from histoscribe.train.group import TrainingGroup, joined
from histoscribe.train.loop import train_in_process
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from histoscribe.train.tables import fit_and_val_rows
from tests.contracts.fitting import killed_after, killed_within
from tests.contracts.tables import planted_table

EPOCHS = 4


def settings(devices, accumulate=1, seed=0):
    """The smallest network, with dropout; 26 batches of 7, and one more of 4, do not divide."""
    return RunSettings(
        seed=seed,
        cohort="none",
        models=("mlp",),
        settings={"mlp": {"preset": "tiny"}},
        train=TrainSettings(epochs=EPOCHS, batch_size=7, accumulate=accumulate),
        run=MachineSettings(device="cpu", devices=devices),
    )


def trained(folder, table=None, **given):
    of = settings(**given)
    return fit(of.row("mlp"), planted_table() if table is None else table, of, folder)


def same(one, two, **tolerance):
    for name, value in one.model.state_dict().items():
        np.testing.assert_allclose(two.model.state_dict()[name], value, **tolerance)


class Recording(SpotItems):
    """Spots that remember which of them were read."""

    read: Counter

    def inputs(self, names, rows):
        self.read.update(rows.tolist())
        return super().inputs(names, rows)


def _process(number, folder, n_epochs, n_steps):
    """Train in one of two processes; write what it read, and its weights."""
    table, of = planted_table(), settings(devices=2)
    items = Recording(table)
    object.__setattr__(items, "read", Counter())
    sides = training_sides("spot", items, *fit_and_val_rows(table, "best"))
    torch.manual_seed(3)
    facts = Facts.plain(5, 12)
    model = create_model("mlp", facts=facts, preset="tiny")
    if n_steps:
        EpochEnd.on_train_batch_end = killed_within(n_epochs, n_steps)
    elif n_epochs < EPOCHS:
        EpochEnd.on_train_epoch_end = killed_after(n_epochs)
    group = TrainingGroup(number, 2)
    with joined(group, folder / f"meeting-{n_epochs}-{n_steps}", "cpu"):
        train_in_process(model, sides, of, folder / "resume", group)
    torch.save([dict(model.state_dict()), dict(items.read)], folder / f"{number}.pt")


def run_both(folder: Path, n_epochs=EPOCHS, n_steps=0):
    start_processes(_process, (folder, n_epochs, n_steps), 2, start_method="spawn")
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


@pytest.mark.slow
def test_two_processes_train_as_one_with_accumulation(tmp_path):
    one = trained(tmp_path / "one", devices=1, accumulate=4)
    two = trained(tmp_path / "two", devices=2, accumulate=2)
    same(one, two, atol=1e-6)
    assert one.model.choice["epoch"] == two.model.choice["epoch"]
    assert two.model.choice["inner_pcc"] == pytest.approx(one.model.choice["inner_pcc"], abs=1e-5)


@pytest.mark.slow
def test_both_processes_have_the_same_weights_and_each_item_is_read_once(tmp_path):
    (first, read_first), (second, read_second) = run_both(tmp_path)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    fit_rows, val_rows = fit_and_val_rows(planted_table(), "best")
    of_both = Counter(read_first) + Counter(read_second)
    # a step runs forward over the same inputs twice, but reads them once
    assert {row: of_both[row] for row in fit_rows} == dict.fromkeys(fit_rows.tolist(), EPOCHS)
    assert {row: of_both[row] for row in val_rows} == dict.fromkeys(val_rows.tolist(), EPOCHS)
    shared = [
        sum(read[row] for row in fit_rows if row in read) for read in (read_first, read_second)
    ]
    assert min(shared) > 0.4 * sum(shared)


@pytest.mark.slow
def test_two_processes_that_were_killed_end_in_the_same_bits(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = run_both(tmp_path / "whole")[0][0]
    (tmp_path / "parts").mkdir()
    for place in ((0, 3), (2, 0)):
        with pytest.raises(ProcessRaisedException, match="KilledError"):
            run_both(tmp_path / "parts", *place)
    again = run_both(tmp_path / "parts")[0][0]
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name


@pytest.mark.slow
def test_a_training_that_diverges_on_two_processes_is_said(tmp_path):
    table = planted_table()
    target = table.target.copy()
    target[0, 0] = np.inf
    with pytest.raises(DataContractError, match=r"mlp, epoch 1[\s\S]*learning_rate"):
        trained(tmp_path, replace(table, target=target), devices=2)


class Unreadable(SpotItems):
    """Spots of which one cannot be read."""

    def inputs(self, names, rows):
        if 3 in rows:
            raise DataContractError(Problem("tile 3", "nothing", "a tile", "get it again"))
        return super().inputs(names, rows)


def unreadable_on_two(folder):
    """Two processes; the one that comes to the spot stops, and the other one loses it."""
    sides = training_sides("spot", Unreadable(planted_table()), np.arange(0, 40), None)
    model = create_model("mlp", facts=Facts.plain(5, 12), preset="tiny")
    processes.train_together(train_in_process, model, sides, settings(devices=2), folder)


@pytest.mark.slow
def test_a_spot_that_one_process_cannot_read_is_said(tmp_path):
    with pytest.raises(DataContractError, match=r"tile 3[\s\S]*get it again"):
        unreadable_on_two(tmp_path)


@pytest.mark.slow
def test_a_training_that_is_stopped_leaves_no_process_behind(tmp_path):
    def draw(items, what, total):
        raise KeyboardInterrupt
        yield from items

    with drawn_by(draw), pytest.raises(KeyboardInterrupt):
        trained(tmp_path, devices=2)
    assert not active_children()


def test_fewer_gpus_than_devices_are_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DataContractError, match=r"run\.devices[\s\S]*1 GPUs"):
        trained(tmp_path, devices=2)
