"""Spread of counts around the predictions of the kept epoch."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.items.kinds import Sides
from histoscribe.metrics.count_loss import count_loss
from histoscribe.models.base import ExpressionModel
from histoscribe.models.layers.count_head import CountHead
from histoscribe.predictor.forward import predict_items
from histoscribe.types import CountDistribution

_FEWEST = 200
"""Predictions below which the spread of a gene cannot be told from them."""
_STEPS = 100


def fit_spread(model: ExpressionModel, head: CountHead, sides: Sides) -> None:
    """Fit dispersion and additional zeros of each gene to counts, with the rates as predicted.

    Early stopping looks at correlation, so it keeps an epoch whose spread is on its way from that
    of all spots to that around the predictions. The counts are those of the validation items: the
    network did not learn from them, so they also show how wrong its rates are. Few of them are
    joined by the training items; without any, the training items are used alone.
    """
    rows, val = sides.fit, sides.val
    if val is not None:
        spots = sides.items.spots(val)
        enough = len(val if spots is None else spots) >= _FEWEST
        rows = val if enough else np.concatenate([rows, val])
    labels = sides.items.labels(rows)
    if labels.counts is None or labels.size_factor is None:
        raise ValueError("a model of counts is fitted to counts, but these items have none")
    counts, factor = labels.counts, labels.size_factor
    if labels.present is not None:
        counts, factor = counts[labels.present], factor[labels.present]
    rate = torch.from_numpy(predict_items(model, sides.items, rows).expression).double()
    parameters: list[Tensor] = [head.log_inverse_dispersion]
    if head.zero_inflation_logit is not None:
        parameters.append(head.zero_inflation_logit)
        rate = rate / (1 - parameters[1].detach().cpu().double().sigmoid())
    fitted = _likeliest(rate, (counts, factor), parameters)
    with torch.no_grad():
        for parameter, values in zip(parameters, fitted, strict=True):
            parameter.copy_(values)


def _likeliest(
    rate: Float[Tensor, "M G"],
    measured: tuple[Float[Tensor, "M G"], Float[Tensor, " M"]],
    start: list[Tensor],
) -> list[Tensor]:
    """Logarithm of the inverse dispersion, and logit of additional zeros, of largest likelihood."""
    values = [of.detach().cpu().double().requires_grad_() for of in start]
    optimiser = torch.optim.LBFGS(values, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        theta = values[0].exp().expand_as(rate)
        zeros = values[1].sigmoid().expand_as(rate) if len(values) > 1 else None
        # times the number of genes: the slope of each gene is then that of its own likelihood
        lost = rate.shape[1] * count_loss(CountDistribution(rate, theta, zeros), *measured)
        lost.backward()
        return lost

    optimiser.step(loss)
    return [of.detach() for of in values]
