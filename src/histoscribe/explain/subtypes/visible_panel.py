"""A panel among the genes that images predict, chosen on inner folds of the training patients."""

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.model_selection import StratifiedKFold

from histoscribe.explain.subtypes.classifiers import logistic_score
from histoscribe.explain.subtypes.held_out import (
    PatientFold,
    auroc_within_folds,
    aurocs_alone,
    held_out_scores,
)
from histoscribe.explain.subtypes.image_expression import on_measured_scale
from histoscribe.ties import best_first

LEAST_CORRELATIONS = (0.2, 0.4, 0.6)
"""Least correlation of predicted with measured expression of a gene; one is chosen."""
_INNER_FOLDS = 3
_LEAST_GENES = 2


def visible_panel(
    measured: Float[np.ndarray, "N A"],
    predicted: Float[np.ndarray, "N A"],
    positive: Bool[np.ndarray, " N"],
    train: Int[np.ndarray, " n"],
    n_genes: int,
) -> Int[np.ndarray, " G"]:
    """Genes that images predict and that tell the class, by training patients alone.

    For each least correlation, the genes above it that tell the class best; the one whose panel
    scores best on predicted expression of inner held-out patients, by logistic regression, is
    used. Where a class has fewer than 3 training patients, the first one is.
    """
    y, real, images = positive[train], measured[train], predicted[train]
    folds = _inner_folds(y)
    best, best_score = LEAST_CORRELATIONS[0], -np.inf
    for least in LEAST_CORRELATIONS:

        def score(fold: PatientFold, least: float = least) -> Float[np.ndarray, " m"]:
            columns = _genes(real[fold.train], images[fold.train], y[fold.train], least, n_genes)
            scaled = on_measured_scale(images[:, columns], real[:, columns], fold.train)
            x = real[np.ix_(fold.train, columns)]
            return logistic_score(x, y[fold.train], scaled[fold.test])

        if (
            folds
            and (found := auroc_within_folds(held_out_scores(folds, score), folds, y)) > best_score
        ):
            best, best_score = least, found
    return _genes(real, images, y, best, n_genes)


def correlations(
    first: Float[np.ndarray, "N A"], second: Float[np.ndarray, "N A"]
) -> Float[np.ndarray, " A"]:
    """Correlation of each gene over patients; NaN where either is constant or unknown."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore"):
        return np.where(size > 0, (a * b).sum(axis=0) / np.where(size > 0, size, 1.0), np.nan)


def _genes(
    measured: Float[np.ndarray, "n A"],
    predicted: Float[np.ndarray, "n A"],
    positive: Bool[np.ndarray, " n"],
    least: float,
    n_genes: int,
) -> Int[np.ndarray, " G"]:
    """Genes above the least correlation, best first; the two best predicted ones at least."""
    known = np.nan_to_num(correlations(measured, predicted), nan=-np.inf)
    visible = np.flatnonzero(known >= least)
    if len(visible) < _LEAST_GENES:
        visible = best_first(known)[:_LEAST_GENES]
    separation = np.abs(aurocs_alone(measured[:, visible], positive) - 0.5)
    return visible[best_first(separation)][:n_genes]


def _inner_folds(positive: Bool[np.ndarray, " n"]) -> tuple[PatientFold, ...]:
    if min(positive.sum(), (~positive).sum()) < _INNER_FOLDS:
        return ()
    divide = StratifiedKFold(_INNER_FOLDS)
    return tuple(
        PatientFold(0, train.astype(np.int64), test.astype(np.int64))
        for train, test in divide.split(np.zeros(len(positive)), positive)
    )
