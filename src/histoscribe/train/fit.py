"""Fitting any model of the registry on the training spots of one fold."""

import logging
import warnings
from pathlib import Path

import lightning
import numpy as np
import torch
from jaxtyping import Float

from histoscribe.models.base import (
    Estimator,
    ExpressionModel,
    Facts,
    create_model,
    inputs_of,
    model_class,
)
from histoscribe.models.standard import mean_and_scale
from histoscribe.seed import integer
from histoscribe.train.config import RunSettings
from histoscribe.train.loop import Batches, EpochEnd, Task, predict_rows
from histoscribe.types import SpotTable

_log = logging.getLogger(__name__)


def fit(
    name: str, table: SpotTable, settings: RunSettings, resume: Path
) -> Estimator | ExpressionModel:
    """Fit a model on a table of training spots.

    Networks train on the first inner split's `fit` rows, stop on its `val` rows and keep the
    best epoch; without inner splits they train on all rows for all epochs. `resume` is a folder
    for the checkpoint of the last finished epoch: a killed fit started again ends in the same
    bits. The caller removes the folder once the result is saved.
    """
    cls, own = model_class(name), settings.settings.get(name, {})
    if issubclass(cls, Estimator):
        return create_model(name, **own).fit(table)
    if inputs_of(cls) != ("feature",):
        raise ValueError(f"model {name!r} wants {inputs_of(cls)}; only `feature` can be built yet")
    mean, scale = mean_and_scale(table.feature)
    facts = Facts(
        feature_mean=mean,
        feature_scale=scale,
        target_mean=table.target.mean(axis=0, dtype=np.float64),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(settings.seed, f"init-{name}"))
        model = create_model(name, facts=facts, **own)
        _train(model, table, settings, resume)
    return model.eval()


def predict_spots(
    model: Estimator | ExpressionModel, feature: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, "N G"]:
    """Predict spots with a fitted model of either kind; on CPU, without gradients."""
    if isinstance(model, Estimator):
        return model.predict(feature)
    return predict_rows(model, torch.from_numpy(feature))


def _train(model: ExpressionModel, table: SpotTable, settings: RunSettings, resume: Path) -> None:
    train, seed = settings.train, settings.seed
    end = EpochEnd(model, table, patience=train.patience, folder=resume)
    task = Task(model, train, seed)
    rows = table.inner[0][0] if table.inner else np.arange(len(table.target))
    batches = Batches(table, rows, train.batch_size, seed, epoch=lambda: task.current_epoch)
    trainer = lightning.Trainer(
        accelerator=settings.run.device,
        devices=1,
        max_epochs=train.epochs,
        callbacks=[end],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=True,
    )
    if not end.finished(train.epochs):
        with warnings.catch_warnings():
            # lightning 2.6.6 on torch 2.13: its own use of LeafSpec, which nothing here can change
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            trainer.fit(task, batches, ckpt_path=end.checkpoint(), weights_only=True)
    end.restore_best(model)
    model.choice = {"epoch": end.best_epoch, "inner_pcc": end.scores}
    _log.info("kept epoch %d of %d", end.best_epoch, len(end.scores))
