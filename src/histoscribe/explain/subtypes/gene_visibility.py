"""How well images predict each gene, beside what the gene tells of each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, spearmanr

from histoscribe.explain.finding import Number
from histoscribe.explain.subtypes.class_answer import ClassAnswer
from histoscribe.explain.subtypes.visible_panel import correlations

NAME = "importance_with_visibility"
_COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class GeneVisibility:
    """Genes of the panel: correlation of predicted with measured expression over patients."""

    genes: tuple[str, ...]
    correlation: Float[np.ndarray, " F"]
    """NaN for a gene that is constant, measured or predicted."""
    chance: float
    """Correlation that 95 % of unrelated values stay within, either side of 0."""
    importance: Float[np.ndarray, "C F"]
    """Of each class."""
    classes: tuple[str, ...]

    def numbers(self) -> tuple[Number, Number]:
        """Rank correlation of importance with visibility, and its range by chance."""
        mean = self.importance.mean(axis=0)
        known = np.isfinite(self.correlation)
        meaning = (
            "rank correlation over the panel: importance for the classes with how well images "
            "predict the gene"
        )
        n_genes = int(known.sum())
        if n_genes < 3 or np.ptp(mean[known]) == 0:
            return Number(NAME, float("nan"), meaning), Number(NAME, 0.0, f"{meaning}, by chance")
        value = float(spearmanr(mean[known], self.correlation[known]).statistic)
        reach = correlation_by_chance(n_genes)
        return Number(NAME, value, meaning), Number(
            NAME, 0.0, f"{meaning}, of {n_genes} unrelated genes", -reach, reach
        )


def gene_visibility(
    measured: Float[np.ndarray, "N F"],
    predicted: Float[np.ndarray, "N F"],
    genes: Sequence[str],
    answers: Sequence[ClassAnswer],
) -> GeneVisibility:
    """Compare predicted and measured expression over patients."""
    return GeneVisibility(
        genes=tuple(genes),
        correlation=correlations(measured, predicted),
        chance=correlation_by_chance(len(measured)),
        importance=np.array([answer.shapes.median_importance for answer in answers]),
        classes=tuple(answer.name for answer in answers),
    )


def correlation_by_chance(n: int) -> float:
    """Half the range of 95 % of correlations of n unrelated pairs (normal values)."""
    return min(1.0, float(norm.ppf(0.5 + _COVERAGE / 2) / np.sqrt(max(n - 1, 1))))
