"""Weights from pathways to genes against the membership of the genes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from histoscribe.explain.expression_bins import mean_expression
from histoscribe.explain.pathways.pool import random_members
from histoscribe.explain.random_networks import random_networks
from histoscribe.models.base import Estimator, ExpressionModel
from histoscribe.models.evidence import PathwayModel
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Pathways, Section

_ROUNDING = 1e-6  # of a weight of 1: a smaller change can be stored in a weight of 0 alone


@final
@dataclass(frozen=True, eq=False)
class WeightAgreement:
    """AUROC of the weights of a pathway for the genes of its set, ties half."""

    names: tuple[str, ...]
    """Of the P pathways of the predictor."""
    moved: bool
    """Whether the weights are what training added to a start from the membership."""
    value: Float[np.ndarray, " P"]
    """NaN where all genes of the panel are members."""
    random_sets: Float[np.ndarray, "sets P"]
    """For random sets of the panel, of the same size and expression."""
    member_mean: Float[np.ndarray, " P"]
    """Mean weight of the members."""
    other_mean: Float[np.ndarray, " P"]
    """Mean weight of the other genes; NaN without any."""

    @classmethod
    def of(
        cls,
        weights: Float[np.ndarray, "G P"],
        sets: Pathways,
        expression: Float[np.ndarray, " G"],
        *,
        moved: bool,
    ) -> "WeightAgreement":
        """Compare the weights with membership, and with random sets."""
        members = sets.members
        ranks = rankdata(weights, axis=0).T
        drawn = [_aurocs(ranks, of) for of in random_members(members, expression)]
        others = ~members
        n_others = others.sum(axis=1)
        total = (weights.T * others).sum(axis=1)
        return cls(
            sets.names,
            moved,
            _aurocs(ranks, members),
            np.stack(drawn),
            (weights.T * members).sum(axis=1) / members.sum(axis=1),
            np.where(n_others > 0, total / np.maximum(n_others, 1), np.nan),
        )


def weights_of(predictor: Predictor, sections: Sequence[Section]) -> WeightAgreement | None:
    """Compare the weights of a predictor with the membership of the genes in its panel.

    Weights that start from membership (`init`) are compared by what training added to them. None
    for weights that membership alone decides (`masked`).
    """
    sets, (model,) = predictor.fitted.pathways, predictor.fitted.members
    if sets is None:
        raise ValueError(f"{predictor.name} has no named pathways")
    start = _gene_weights(random_networks(predictor, 1)[0])
    own = _gene_weights(model)
    outside = ~sets.members.T
    if not own[outside].any() and not start[outside].any():
        return None
    expression = mean_expression(sections, predictor.target.genes)
    known = np.isfinite(expression)  # a gene that no section measured has no level of expression
    expression = np.where(known, expression, 0.0)
    moved = not start[outside].any()
    if moved:
        own = np.where(np.abs(own - start) > _ROUNDING, own - start, 0.0)
    return WeightAgreement.of(own, sets, expression, moved=moved)


def _gene_weights(model: ExpressionModel | Estimator) -> Float[np.ndarray, "G P"]:
    if not isinstance(model, PathwayModel):
        raise TypeError(f"{model.name} has no weights of pathways")
    return model.gene_weights().detach().double().cpu().numpy()


def _aurocs(
    ranks: Float[np.ndarray, "P G"], members: Bool[np.ndarray, "P G"]
) -> Float[np.ndarray, " P"]:
    n_members = members.sum(axis=1)
    n_pairs = n_members * (members.shape[1] - n_members)
    above = (ranks * members).sum(axis=1) - n_members * (n_members + 1) / 2
    return np.where(n_pairs > 0, above / np.maximum(n_pairs, 1), np.nan)
