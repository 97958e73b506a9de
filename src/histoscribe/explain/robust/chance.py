"""Scores, and the same scores by chance.

A model without any knowledge predicts maps that follow the tissue, and so do genes: its score is
far from 0 without meaning anything. So by chance is the score of the same predictions with
directions drawn anew: what the model reads off a spot stays, and which gene gets what is random.
Genes that vary together get alike predictions, as a model has that is trained on made-up labels.
Directions are drawn among all genes of the panel, however few are asked about: one gene by itself
has no direction but up and down.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import eigh

from histoscribe.explain.finding import defined_mean
from histoscribe.explain.robust.curves import ChangedSection
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.seed import stream

N_DRAWS = 199
"""Draws of the directions."""
FEWEST_GENES = 10
"""Genes of a panel; among fewer, directions drawn anew are much like the real ones."""
_SEED = 0  # of the rotations; nobody needs another one
_ROUNDING = 1e-12  # of a squared length: less is no variation
_LEAST = 0.01  # of the mean eigenvalue of the correlations: too few spots leave smaller ones at 0


def patient_scores(
    sections: Sequence[ChangedSection], predicted: Sequence[Float[np.ndarray, "n G"]]
) -> dict[str, float]:
    """Patient -> mean score over the genes asked about, then over sections; patients are sorted."""
    of_patient: dict[str, list[float]] = {}
    for of, values in zip(sections, predicted, strict=True):
        score = defined_mean(pearson_per_gene(values[:, of.columns], of.measured))
        of_patient.setdefault(of.patient, []).append(score)
    return {patient: defined_mean(scores) for patient, scores in sorted(of_patient.items())}


@final
class RandomDirections:
    """Scores of predictions whose directions are drawn anew, the same ones for every change."""

    def __init__(
        self, measured: Sequence[Float[np.ndarray, "_ G"]], columns: Int[np.ndarray, " K"]
    ) -> None:
        """Take the correlations and deviations of the genes of a panel from all sections.

        The weights W that a model has learned from labels without meaning are Gaussian, with the
        correlations C of the genes; then so are W C^-1/2 Q C^1/2 for every rotation Q. Of the genes
        in `columns`, with correlations D, these are W C^-1/2 F D^1/2 for K random unit vectors F
        that are at right angles to one another.
        """
        self._deviation = _deviations(measured)
        self._known = len(self._deviation) >= FEWEST_GENES
        if not self._known:
            return
        standard = [_unit_columns(values)[0] for values in measured]
        values, axes = _eigen(np.sum([of.T @ of for of in standard], axis=0))
        back = (axes / np.sqrt(values)) @ axes.T
        square = _root(((axes * values) @ axes.T)[np.ix_(columns, columns)])
        draws = stream(_SEED, "robust-directions")
        shape = (len(back), len(columns))
        self._turns = np.stack([back @ _frame(shape, draws) @ square for _ in range(N_DRAWS)])

    def scores(
        self, sections: Sequence[ChangedSection], predicted: Sequence[Float[np.ndarray, "n G"]]
    ) -> Float[np.ndarray, " draws"]:
        """Mean over patients of `patient_scores`, for each draw; NaN for a panel of few genes.

        As in the score, a section where no gene varies is left out.
        """
        of_patient: dict[str, list[np.ndarray]] = {}
        for of, values in zip(sections, predicted, strict=True) if self._known else ():
            wanted, defined = _unit_columns(of.measured)
            if defined.any():
                drawn = self._section(values, wanted)[:, defined]
                of_patient.setdefault(of.patient, []).append(drawn.mean(axis=1))
        if not of_patient:
            return np.full(N_DRAWS, np.nan)
        return np.mean([np.mean(scores, axis=0) for scores in of_patient.values()], axis=0)

    def _section(
        self, predicted: Float[np.ndarray, "n G"], wanted: Float[np.ndarray, "n K"]
    ) -> Float[np.ndarray, "draws K"]:
        scaled = predicted / self._deviation
        varying = _unit_columns(scaled)[1]
        centred = np.where(varying, scaled - scaled.mean(axis=0), 0.0)
        gram, cross = centred.T @ centred, centred.T @ wanted
        above = np.einsum("dhg,hg->dg", self._turns, cross)
        length = (self._turns * (gram @ self._turns)).sum(axis=1)
        known = length > _ROUNDING * max(np.trace(gram), _ROUNDING)
        return np.where(known, above / np.sqrt(np.where(known, length, 1.0)), 0.0)


def _eigen(
    gram: Float[np.ndarray, "G G"],
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "G axes"]]:
    """Eigenvalues and axes of the correlations in a Gram matrix; none of the former is near 0."""
    length = np.sqrt(np.diag(gram))
    length = np.where(length > 0, length, 1.0)
    correlation = gram / length / length[:, None]
    np.fill_diagonal(correlation, 1.0)  # a gene without values goes with no other
    values, axes = eigh(correlation)
    return np.maximum(values, _LEAST), axes


def _root(square: Float[np.ndarray, "K K"]) -> Float[np.ndarray, "K K"]:
    """Square root of a positive symmetric matrix."""
    values, axes = eigh(square)
    return (axes * np.sqrt(values)) @ axes.T


def _frame(shape: tuple[int, int], draws: np.random.Generator) -> Float[np.ndarray, "G K"]:
    """Draw K unit vectors at right angles in G dimensions, all sets of them equally likely."""
    axes, upper = np.linalg.qr(draws.normal(size=shape))
    return axes * np.sign(np.diag(upper))


def _deviations(measured: Sequence[Float[np.ndarray, "_ G"]]) -> Float[np.ndarray, " G"]:
    """Deviation of each gene within sections; 1 where there is none."""
    variances = np.stack([values.var(axis=0) for values in measured])
    known = variances > 0
    mean = np.where(known, variances, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.sqrt(np.where(mean > 0, mean, 1.0))


def _unit_columns(
    values: Float[np.ndarray, "n K"],
) -> tuple[Float[np.ndarray, "n K"], Bool[np.ndarray, " K"]]:
    """Centred columns of length 1, and which have a length; the others are 0."""
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    # rounding of the mean leaves a little of a constant; NaN is larger than nothing
    known = length > 1e-6 * np.linalg.norm(values, axis=0)
    return np.where(known, centred / np.where(known, length, 1.0), 0.0), known
