"""Metrics made of ranks: they sort every gene, so they are computed for the panel only."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.moments import pearson_per_gene

AUC_THRESHOLDS = (0, 1, 2, 5, 7, 10, 20)
"""Counts above which a spot is positive in `auc@c`."""


def scc(evaluated: Evaluated) -> Float[np.ndarray, " G"]:
    """Spearman correlation per gene, ties at their mean rank; undefined cases as in `pcc`."""
    rho = pearson_per_gene(
        rankdata(evaluated.predicted, axis=0), rankdata(evaluated.measured, axis=0)
    )
    rho = np.where(evaluated.moments.x_constant, 0.0, rho)
    return np.where(evaluated.varies, rho, np.nan)


def auc(evaluated: Evaluated, count: int) -> Float[np.ndarray, " G"]:
    """AUROC per gene of the prediction for "raw count above `count`", ties half.

    Returns
    -------
    [G] in 0..1; NaN where every spot, or none, is above; 0.5 for a constant prediction.
    """
    if evaluated.counts is None:
        raise ValueError("auc@c needs the raw counts of the evaluated genes")
    measured = np.isfinite(evaluated.counts).all(axis=0)
    above = evaluated.counts > count
    n_above = above.sum(axis=0)
    n_below = len(above) - n_above
    ranks = rankdata(evaluated.predicted, axis=0)
    # Mann-Whitney's U of the spots above, over its largest value
    wins = np.where(above, ranks, 0.0).sum(axis=0) - n_above * (n_above + 1) / 2
    pairs = n_above * n_below
    return np.where(measured & (pairs > 0), wins / np.maximum(pairs, 1), np.nan)
