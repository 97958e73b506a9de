"""What training minimises: the model's own loss, or the one that the settings name."""

from jaxtyping import Float
from torch import Tensor

from histoscribe.metrics.count_loss import count_loss
from histoscribe.metrics.loss import mse_and_pcc_loss, mse_loss, spots_pcc_loss
from histoscribe.models.base import ExpressionModel
from histoscribe.train.settings import TrainSettings
from histoscribe.types import PATHWAYS, Labels, Output


def training_loss(
    model: ExpressionModel, settings: TrainSettings, output: Output, labels: Labels
) -> Float[Tensor, ""]:
    """Loss of one batch; padding takes no part.

    Any network can be trained with any loss: it reads only the output and the labels. With a
    `pathway_weight`, the correlation loss of its scores of pathways is added.
    """
    lost = _gene_loss(model, settings, output, labels)
    if settings.pathway_weight == 0:
        return lost
    return lost + settings.pathway_weight * _pathway_loss(model, output, labels)


def _gene_loss(
    model: ExpressionModel, settings: TrainSettings, output: Output, labels: Labels
) -> Float[Tensor, ""]:
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


def _pathway_loss(model: ExpressionModel, output: Output, labels: Labels) -> Float[Tensor, ""]:
    """One minus the correlation of scores with activity, over the spots of each section."""
    scores, activity = output.heads.get(PATHWAYS), labels.pathways
    if scores is None or activity is None:
        missing = f"scores of pathways by {model.name}" if scores is None else "measured activity"
        raise ValueError(f"train.pathway_weight needs {missing}")
    present = labels.present if scores.ndim == 3 else None
    return spots_pcc_loss(scores, activity, present)


def _count_loss(output: Output, labels: Labels) -> Float[Tensor, ""]:
    if output.counts is None or labels.counts is None or labels.size_factor is None:
        raise ValueError("a loss of counts needs counts in the training table, and their model")
    present = labels.present if output.expression.ndim == 3 else None
    return count_loss(output.counts, labels.counts, labels.size_factor, present)
