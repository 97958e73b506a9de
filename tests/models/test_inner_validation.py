"""Choices on the inner folds and of the epoch: the first one wins, within rounding."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from histoscribe.models.inner_validation import best_on_inner, known_scores
from histoscribe.train.checkpoint_file import CheckpointFile
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.group import ALONE
from tests.contracts.tables import planted_table


@pytest.mark.parametrize("better_by", [0.0, 1e-7, 1e-2])
def test_a_setting_wins_by_more_than_rounding(better_by):
    table = planted_table()
    noise = np.random.default_rng(0).normal(size=table.target.shape)

    def predict(feature, target, val):
        row = {one.tobytes(): at for at, one in enumerate(table.feature)}
        at = [row[one.tobytes()] for one in val]
        return [table.target[at] + share * noise[at] for share in (1.0, 1.0 - better_by)]

    best, scores = best_on_inner(table, predict, 2)
    assert scores[1] >= scores[0]
    assert best == (1 if better_by == 1e-2 else 0)


def scored(monkeypatch, scores):
    """What `best_on_inner` says where the settings have these scores on each fold."""
    said = iter(np.ravel(scores))
    monkeypatch.setattr(
        "histoscribe.models.inner_validation.validation_score", lambda *_: next(said)
    )
    table = dataclasses.replace(planted_table(), inner=planted_table().inner[: len(scores)])
    n_settings = len(scores[0])
    best, found = best_on_inner(table, lambda *_: n_settings * [np.zeros(1)], n_settings)
    return best, known_scores(found)


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "best", "known"),
    [
        ([[NAN, -0.2], [NAN, -0.4]], 1, [None, -0.3]),
        ([[NAN, -0.2], [0.9, -0.4]], 1, [None, -0.3]),
        ([[NAN, NAN], [0.1, 0.2]], 1, [0.1, 0.2]),
        ([[NAN, NAN], [NAN, NAN]], 0, [None, None]),
        ([[-0.1, -0.2], [-0.1, 0.4]], 1, [-0.1, 0.1]),
    ],
)
def test_an_undefined_score_never_beats_a_defined_one(monkeypatch, scores, best, known):
    found, means = scored(monkeypatch, scores)
    assert found == best
    assert means == [None if mean is None else pytest.approx(mean) for mean in known]


@pytest.mark.parametrize(("step", "kept"), [(0.0, 1), (1e-7, 1), (6e-7, 3), (1e-2, 4)])
def test_the_first_epoch_is_kept_unless_a_later_one_is_better_by_more_than_rounding(
    tmp_path, monkeypatch, step, kept
):
    model, end = torch.nn.Linear(2, 2), EpochEnd.__new__(EpochEnd)  # no table, for none is read
    sides = SimpleNamespace(val=np.arange(3))
    vars(end).update(
        _model=model,
        _sides=sides,
        _group=ALONE,
        _patience=9,
        file=CheckpointFile(tmp_path),
        scores=[],
        epoch_losses=[],
        steering=[],
        best_epoch=0,
        n_steps=0,
        _begun=None,
        _losses=None,
    )

    scores = iter(0.5 + step * np.arange(4))
    monkeypatch.setattr("histoscribe.train.epoch_end._copy", lambda model: {})
    monkeypatch.setattr(EpochEnd, "_score", lambda self, model: float(next(scores)))
    trainer = SimpleNamespace(max_epochs=4)
    for _ in range(4):
        task = SimpleNamespace(epoch_loss=lambda: 1.0, epoch_steering=lambda: None)
        EpochEnd.on_train_epoch_end.__wrapped__(end, trainer, task)
    assert end.best_epoch == kept
