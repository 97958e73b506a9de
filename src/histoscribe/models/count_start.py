"""Where the distribution of counts of each gene starts in training: moments of training counts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.types import CountFamily

_ZEROS = np.concatenate([[0.001], np.linspace(0.01, 0.9, 90)])  # additional zeros that are tried
_SPREAD = (1e-3, 1e2)  # least and largest 1 / theta
_DEPTHS = 64


@dataclass(frozen=True, eq=False)
class CountStart:
    """Start of the parameters that a count head learns for each gene."""

    inverse_dispersion: Float[np.ndarray, " G"]
    zero_inflation: Float[np.ndarray, " G"] | None
    """Probability of additional zeros; None in the family `nb`."""

    @classmethod
    def plain(cls, family: CountFamily, n_genes: int) -> "CountStart":
        """Start without training spots: an inverse dispersion of 1, and 5 % additional zeros."""
        return cls(np.ones(n_genes), np.full(n_genes, 0.05) if family == "zinb" else None)

    @classmethod
    def of_counts(
        cls,
        family: CountFamily,
        counts: Float[np.ndarray, "N G"],
        size_factor: Float[np.ndarray, " N"],
    ) -> "CountStart":
        """Parameters of a distribution with one rate for all spots.

        They have the mean and variance of the counts per 10,000, and for `zinb` the share of spots
        without a count. A network that explains expression then leaves less spread than this.

        Raises
        ------
        DataContractError
            for negative or fractional counts.
        """
        wrong = (counts < 0) | (counts != np.rint(counts))
        if wrong.any():
            raise DataContractError(_no_counts(counts, wrong))
        factor = np.maximum(size_factor.astype(np.float64), size_factor[size_factor > 0].min())
        per_spot = counts / factor[:, None]
        mean = np.maximum(per_spot.mean(axis=0, dtype=np.float64), 1e-9)
        # counting alone gives a variance of mean / factor
        excess = per_spot.var(axis=0, dtype=np.float64) - mean * (1 / factor).mean()
        relative = excess / np.square(mean)
        if family == "nb":
            return cls(1 / np.clip(relative, *_SPREAD), None)
        zeros = _additional_zeros((counts == 0).mean(axis=0), mean, relative, factor)
        return cls(1 / _spread(zeros, relative), zeros)


def _no_counts(counts: Float[np.ndarray, "N G"], wrong: Bool[np.ndarray, "N G"]) -> Problem:
    row, gene = np.argwhere(wrong)[0]
    return Problem(
        where=f"counts for the loss, row {row}, gene {gene} of the panel",
        found=f"{counts[row, gene]:g}, and in all {wrong.sum()} negative or fractional values",
        expected="raw counts: whole numbers >= 0",
        remedy='give raw counts, or choose another loss, e.g. train.loss = "mse-pcc"',
    )


def _spread(
    zeros: Float[np.ndarray, "*S G"], relative: Float[np.ndarray, " G"]
) -> Float[np.ndarray, "*S G"]:
    """1 / theta beside so many additional zeros: 1 + relative = (1 + 1 / theta) / (1 - zeros)."""
    return np.clip((1 + relative) * (1 - zeros) - 1, *_SPREAD)


def _additional_zeros(
    share: Float[np.ndarray, " G"],
    mean: Float[np.ndarray, " G"],
    relative: Float[np.ndarray, " G"],
    factor: Float[np.ndarray, " N"],
) -> Float[np.ndarray, " G"]:
    """Additional zeros with which the expected share of spots without a count is nearest."""
    depths = np.quantile(factor, (np.arange(_DEPTHS) + 0.5) / _DEPTHS)[:, None]
    errors = []
    for zeros in _ZEROS:
        spread = _spread(np.full_like(mean, zeros), relative)
        of_nb = np.exp(-np.log1p(spread * depths * mean / (1 - zeros)) / spread).mean(axis=0)
        errors.append(np.abs(zeros + (1 - zeros) * of_nb - share))
    return _ZEROS[np.argmin(errors, axis=0)]
