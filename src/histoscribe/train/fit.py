"""Fitting any model of the registry on the training spots of one fold."""

from pathlib import Path

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
from histoscribe.train.loop import predict_rows, train_network
from histoscribe.types import SpotTable


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
        train_network(model, table, settings, resume)
    return model.eval()


def predict_spots(
    model: Estimator | ExpressionModel, feature: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, "N G"]:
    """Predict spots with a fitted model of either kind; on CPU, without gradients."""
    if isinstance(model, Estimator):
        return model.predict(feature)
    return predict_rows(model, torch.from_numpy(feature))
