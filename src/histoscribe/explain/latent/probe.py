"""How well a straight line through a representation tells the strength of the stain.

A probe is refitted within each section: ridge regression on three parts of the section is scored on
the fourth, so it asks what is there and not whether it is there in the same way as in training.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.surrogates import surrogates
from histoscribe.seed import integer

N_PARTS = 4
"""Parts of a section that are scored in turn."""
FEWEST_SPOTS = 24
"""A section with fewer has no probe: six spots of each part are scored."""
N_RANDOM_STAINS = 99
"""Random stains, as smooth as the measured one, that the probe is also fitted to."""
_SEED = 0  # of random stains; nobody needs another one
_PENALTIES = 10.0 ** np.arange(-3.0, 4.0)
"""Relative to the mean square of the principal axes of the representation."""
_CONSTANT = 1e-9


@final
@dataclass(frozen=True, eq=False)
class ProbedSection:
    """Stain of some spots of a section, random stains, and the parts of the section."""

    section: str
    patient: str
    rows: Int[np.ndarray, " n"]
    """Of the spots in their section."""
    targets: Float[np.ndarray, "n K draws"]
    """Strength of K stains; the first draw is the measured one, the others are random."""
    part: Int[np.ndarray, " n"]

    @classmethod
    def of(
        cls,
        names: tuple[str, str],
        rows: Int[np.ndarray, " n"],
        stain: Float[np.ndarray, "n K"],
        um: Float[np.ndarray, "n 2"],
    ) -> "ProbedSection | None":
        """Draw random stains; None for too few spots or a constant stain."""
        known = np.isfinite(stain).all(axis=1)
        rows, stain, um = rows[known], stain[known], um[known]
        if len(rows) < FEWEST_SPOTS or (np.ptp(stain, axis=0) <= _CONSTANT).any():
            return None
        drawn = [
            surrogates(of, um, N_RANDOM_STAINS, integer(_SEED, f"explain-stain-{names[0]}-{k}"))
            for k, of in enumerate(stain.T)
        ]
        targets = np.stack(
            [np.vstack([of, random]).T for of, random in zip(stain.T, drawn, strict=True)], axis=1
        )
        return cls(names[0], names[1], rows, targets, compact_parts(um))

    def scores(self, values: Float[np.ndarray, "n R"]) -> Float[np.ndarray, "K draws"]:
        """Correlation of predicted and true stain of spots left out, mean over parts."""
        n, n_stains, n_draws = self.targets.shape
        target = self.targets.reshape(n, n_stains * n_draws)
        found = []
        for held_out in range(N_PARTS):
            test = self.part == held_out
            predicted = _ridge(values[~test], target[~test], values[test])
            found.append(_correlations(predicted, target[test]))
        return np.mean(found, axis=0).reshape(n_stains, n_draws)


def compact_parts(um: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Number of the part of each place: a cut across the longer side, then one in each half."""
    part = np.zeros(len(um), dtype=np.int64)
    for level in range(2):
        for code in np.unique(part):
            rows = np.flatnonzero(part == code)
            axis = int(np.ptp(um[rows], axis=0).argmax())
            order = np.lexsort((um[rows, 1 - axis], um[rows, axis]))
            part[rows[order[len(rows) // 2 :]]] += 2**level
    return part


def _ridge(
    values: Float[np.ndarray, "n R"],
    target: Float[np.ndarray, "n T"],
    new: Float[np.ndarray, "m R"],
) -> Float[np.ndarray, "m T"]:
    """Predict each target; its penalty is the best in leaving out one spot after the other."""
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > _CONSTANT * np.maximum(1.0, np.abs(mean)), scale, np.inf)
    left, size, right = np.linalg.svd((values - mean) / scale, full_matrices=False)
    level = target.mean(axis=0)
    along = left.T @ (target - level)
    new_axes = (new - mean) / scale @ right.T
    best = np.full(target.shape[1], np.inf)
    predicted = np.tile(level, (len(new), 1))
    for penalty in _PENALTIES * max(float(np.square(size).mean()), _CONSTANT):
        kept = size**2 / (size**2 + penalty)
        leverage = (left**2) @ kept + 1.0 / len(values)
        residual = (target - level - left @ (kept[:, None] * along)) / (1.0 - leverage)[:, None]
        error = np.square(residual).mean(axis=0)
        better = error < best
        slope = (size / (size**2 + penalty))[:, None] * along[:, better]
        predicted[:, better] = level[better] + new_axes @ slope
        best = np.where(better, error, best)
    return predicted


def _correlations(
    first: Float[np.ndarray, "m T"], second: Float[np.ndarray, "m T"]
) -> Float[np.ndarray, " T"]:
    """Of each column; 0 where one is constant, for nothing was predicted."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    size = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return np.where(size > 0, (first * second).sum(axis=0) / np.where(size > 0, size, 1.0), 0.0)
