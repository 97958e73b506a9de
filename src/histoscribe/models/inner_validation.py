"""Choice of a setting on the inner folds, by the score that the benchmark reports."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.ties import first_best
from histoscribe.types import SpotTable


def validation_score(
    predicted: Float[np.ndarray, "N G"],
    measured: Float[np.ndarray, "N G"],
    section: Int[np.ndarray, " N"],
) -> float:
    """Pearson per gene within each section, mean over genes, then over sections.

    `section` has the number of each spot's section.
    Undefined genes are left out; NaN where every gene of every section is undefined.
    """
    scores = []
    for code in np.unique(section):
        of_section = section == code
        pcc = pearson_per_gene(predicted[of_section], measured[of_section])
        if np.isfinite(pcc).any():
            scores.append(float(np.nanmean(pcc)))
    return float(np.mean(scores)) if scores else float("nan")


def best_on_inner(
    table: SpotTable,
    predict: Callable[
        [Float[np.ndarray, "fit D"], Float[np.ndarray, "fit G"], Float[np.ndarray, "val D"]],
        Sequence[Float[np.ndarray, "val G"]],
    ],
    n_settings: int,
) -> tuple[int, Float[np.ndarray, " settings"]]:
    """Choose among settings by their mean score over the inner folds.

    `predict(fit features, fit targets, val features)` gives one prediction per setting. The first
    setting wins a tie, scores that rounding can swap included, so list the simplest first. An
    undefined score never beats a defined one; folds without any defined score are left out.

    Returns
    -------
    The number of the chosen setting, and the score of each, NaN if undefined on a fold where
    another setting has a score. The table must have inner folds.
    """
    scores = np.full((len(table.inner), n_settings), np.nan)
    for i, (fit, val) in enumerate(table.inner):
        section = table.keys.section[val]
        predictions = predict(table.feature[fit], table.target[fit], table.feature[val])
        for j, predicted in enumerate(predictions):
            scores[i, j] = validation_score(predicted, table.target[val], section)
    defined = np.isfinite(scores).any(axis=1)
    mean = scores[defined].mean(axis=0) if defined.any() else scores[0]
    return first_best(mean), mean


def known_scores(scores: Sequence[float] | Float[np.ndarray, " n"]) -> list[float | None]:
    """The same scores for a record in JSON, with None for undefined ones."""
    return [None if np.isnan(score) else float(score) for score in scores]
