"""The training path: the best epoch is kept, patience is respected, the history is saved."""

import dataclasses
import signal

import numpy as np
import pytest
import torch

from histoscribe.errors import DataContractError
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.training_curve import training_text
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from histoscribe.train.task import Task
from tests.contracts.tables import planted_table, queries_of


def trained(folder, table=None, **train):
    settings = RunSettings(
        cohort="none",
        models=("mlp",),
        settings={"mlp": {"preset": "tiny"}},
        train=TrainSettings(**train),
        run=MachineSettings(device="cpu"),
    )
    table = planted_table() if table is None else table
    return fit(settings.row("mlp"), table, settings, folder).model


def scored(monkeypatch, scores):
    """Let the inner validation say these scores, one an epoch."""
    said = iter(scores)
    monkeypatch.setattr(EpochEnd, "_score", lambda self, model: next(said))


def kept_and_scores(model):
    """The kept epoch and the inner score of each, of a model that has the loss of each, too."""
    assert len(model.choice["loss"]) == len(model.choice["inner_pcc"])
    return model.choice["epoch"], model.choice["inner_pcc"]


def same(one, two):
    queries = queries_of(planted_table(1))
    return np.array_equal(*(Fitted(model).predict(queries).values for model in (one, two)))


def test_the_weights_of_the_best_epoch_are_kept(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        scored(patch, [0.1, 0.2, 0.5, 0.4, 0.5, 0.1])
        model = trained(tmp_path / "six", epochs=6)
    assert kept_and_scores(model) == (3, [0.1, 0.2, 0.5, 0.4, 0.5, 0.1])
    with monkeypatch.context() as patch:
        scored(patch, [0.1, 0.2, 0.5])
        assert same(model, trained(tmp_path / "three", epochs=3))
    with monkeypatch.context() as patch:
        scored(patch, [0.1, 0.2, 0.3, 0.4])
        assert not same(model, trained(tmp_path / "four", epochs=4))


def test_training_stops_when_patience_is_out(tmp_path, monkeypatch):
    scored(monkeypatch, [0.3, 0.1, 0.4, 0.2, 0.2, 0.2, 0.9])
    model = trained(tmp_path, epochs=50, patience=3)
    assert kept_and_scores(model) == (3, [0.3, 0.1, 0.4, 0.2, 0.2, 0.2])


def test_an_undefined_score_never_beats_a_defined_one(tmp_path, monkeypatch):
    nan = float("nan")
    with monkeypatch.context() as patch:
        scored(patch, [nan, nan, -0.2, nan, -0.3, nan, nan])
        model = trained(tmp_path / "some", epochs=50, patience=4)
    scores = [None, None, -0.2, None, -0.3, None, None]
    assert kept_and_scores(model) == (3, scores)
    with monkeypatch.context() as patch:
        scored(patch, [nan, nan, nan])
        assert trained(tmp_path / "none", epochs=3, patience=1).choice["epoch"] == 3


def test_a_run_out_of_patience_started_again_trains_no_further(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        scored(patch, [0.3, 0.1, 0.2])
        first = trained(tmp_path, epochs=50, patience=2)
    with monkeypatch.context() as patch:
        scored(patch, [])  # an epoch more would ask for a score and find none
        again = trained(tmp_path, epochs=50, patience=2)
    assert first.choice == again.choice
    assert same(first, again)


def test_control_c_rises_and_the_run_goes_on_where_it_was(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole", epochs=5)
    real, handler = EpochEnd._score, signal.getsignal(signal.SIGINT)

    def stop_in_the_third(self, model):
        if len(self.scores) == 2:
            raise KeyboardInterrupt
        return real(self, model)

    with monkeypatch.context() as patch:
        patch.setattr("histoscribe.train.checkpoint_file.CHECKPOINT_SECONDS", 0.0)
        patch.setattr(EpochEnd, "_score", stop_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "parts", epochs=5)
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = trained(tmp_path / "parts", epochs=5)
    assert same(whole, resumed)
    assert whole.choice == resumed.choice


def test_without_an_inner_split_every_epoch_is_trained(tmp_path):
    table = dataclasses.replace(planted_table(), inner=())
    model = trained(tmp_path, table, epochs=4, patience=1)
    assert model.choice["epoch"] == 4


def test_validation_spots_are_not_trained_on(tmp_path):
    table = planted_table()
    val = table.inner[0][1]
    other = table.target.copy()
    other[val] = other[val[::-1]]  # moved, so that the training mean stays
    one = trained(tmp_path / "one", table, epochs=1)
    two = trained(tmp_path / "two", dataclasses.replace(table, target=other), epochs=1)
    assert same(one, two)
    assert one.choice != two.choice, "they are scored"


def test_the_order_of_batches_is_that_of_the_seed_not_of_the_process(tmp_path):
    torch.manual_seed(1)
    one = trained(tmp_path / "one", epochs=2)
    torch.manual_seed(2)
    assert same(one, trained(tmp_path / "two", epochs=2))


@pytest.mark.parametrize("inner", [True, False])
def test_training_that_diverges_is_said_and_leaves_no_checkpoint(tmp_path, inner):
    table = planted_table()
    table = table if inner else dataclasses.replace(table, inner=())
    table.target[0, 0] = np.inf
    with pytest.raises(DataContractError, match=r"mlp, epoch 1[\s\S]*learning_rate"):
        trained(tmp_path / "out", table=table, epochs=3)
    assert not list((tmp_path / "out").glob("*"))


def test_attention_whose_sums_have_no_order_is_left_out_of_training_only(monkeypatch, tmp_path):
    seen, step = [], Task.training_step

    def watched(self, batch, batch_idx):
        seen.append(torch.backends.cuda.mem_efficient_sdp_enabled())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", watched)
    trained(tmp_path, epochs=1)
    assert set(seen) == {False}
    assert torch.backends.cuda.mem_efficient_sdp_enabled()


def test_the_loss_of_an_epoch_is_the_mean_over_its_steps(tmp_path, monkeypatch):
    losses, real = [], Task.loss_of

    def noted(self, part):
        loss = real(self, part)
        losses.append(loss.detach().item())
        return loss

    monkeypatch.setattr(Task, "loss_of", noted)
    model = trained(tmp_path, epochs=4, patience=4, batch_size=16)
    steps = np.reshape(losses, (4, -1))
    assert steps.shape[1] > 1
    assert model.choice["loss"] == pytest.approx(steps.mean(axis=1).tolist())


def test_the_table_of_a_training_says_loss_score_and_kept_epoch(tmp_path, monkeypatch):
    nan = float("nan")
    with monkeypatch.context() as patch:
        scored(patch, [0.1, nan, 0.25])
        model = trained(tmp_path / "inner", epochs=3)
    model.choice = {**model.choice, "loss": [3.0, 2.5, 2.0]}
    assert training_text([model]) == (
        "member,epoch,loss,inner_score,metric,kept\n"
        "1,1,3,0.1,pcc,0\n1,2,2.5,,pcc,0\n1,3,2,0.25,pcc,1\n"
    )
    model.choice = {"epoch": 1, "loss": [3.0], "inner_pcc": []}
    assert training_text([model, model]).splitlines()[1:] == ["1,1,3,,,1", "2,1,3,,,1"]
