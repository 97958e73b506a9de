"""What training minimises: the model's own loss, or the one that the settings name."""

from jaxtyping import Float
from torch import Tensor

from histoscribe.metrics.count_loss import count_loss
from histoscribe.metrics.loss import mse_and_pcc_loss, mse_loss, spots_pcc_loss
from histoscribe.models.base import ExpressionModel
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels, Output


def training_loss(
    model: ExpressionModel, settings: TrainSettings, output: Output, labels: Labels
) -> Float[Tensor, ""]:
    """Loss of one batch; padding takes no part.

    Any network can be trained with any loss: it reads only the output and the labels.
    """
    if settings.loss == "model":
        return model.loss(output, labels)
    predicted, target = output.expression, labels.target
    present = labels.present if predicted.ndim == 3 else None
    if settings.loss == "mse":
        return mse_loss(predicted, target, present)
    if settings.loss == "pcc":
        return spots_pcc_loss(predicted, target, present)
    if settings.loss == "mse-pcc":
        return mse_and_pcc_loss(predicted, target, settings.pcc_weight, present)
    return _count_loss(output, labels)


def _count_loss(output: Output, labels: Labels) -> Float[Tensor, ""]:
    if output.counts is None or labels.counts is None or labels.size_factor is None:
        raise ValueError("a loss of counts needs counts in the training table, and their model")
    present = labels.present if output.expression.ndim == 3 else None
    return count_loss(output.counts, labels.counts, labels.size_factor, present)
