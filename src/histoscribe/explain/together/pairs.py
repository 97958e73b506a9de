"""Pairs of genes in a section: co-expression, likeness of maps, and how they go together.

Depth and a smooth trend over the section are regressed out of values of spots, the mean expression
of both genes out of values of pairs. Maps of one end of the tissue are compared with what was
measured at the other end: two smooth maps are alike by accident of place, and this accident is
another one a third of the section away.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

FEWEST_SPOTS = 60
"""Spots of a section: a third of them tells pairs apart after four values are regressed out."""
_ROUNDING = 1e-7  # of the largest value: what varies by less is constant
_WHOLE, _END = 2, 1
"""Degree of the trend that is regressed out of a whole section and of an end."""


@final
@dataclass(frozen=True, eq=False)
class PairSection:
    """What was measured in the spots of a held-out section."""

    name: str
    patient: str
    um: Float[np.ndarray, "N 2"]
    """Place of each spot, um."""
    log_depth: Float[np.ndarray, " N"]
    """Logarithm of one plus all counts of the spot."""
    measured: Float[np.ndarray, "N G"]
    """Values in the unit of the predictor."""
    log_mean: Float[np.ndarray, " G"]
    """Logarithm of one plus the counts of each gene per 10,000 of the section."""

    def of_genes(self, genes: Int[np.ndarray, " g"]) -> "PairSection":
        """Restrict it to some genes."""
        return replace(self, measured=self.measured[:, genes], log_mean=self.log_mean[genes])

    def from_spots(self, origin: Int[np.ndarray, " N"]) -> "PairSection":
        """Give each spot what was measured in another one."""
        return replace(self, log_depth=self.log_depth[origin], measured=self.measured[origin])

    @cached_property
    def pairs(self) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
        """First and second gene of each pair."""
        return np.triu_indices(len(self.log_mean), 1)

    @cached_property
    def by_mean(self) -> Float[np.ndarray, "P c"]:
        """What the mean expression of both genes says of a pair.

        The distance of both means, and products of their powers up to 2: rare genes have noisy
        values, so their correlations are nearer to 0, and a straight line does not describe that.
        """
        centred = self.log_mean - self.log_mean.mean()
        one, other = (centred[of] for of in self.pairs)
        both, product = one + other, one * other
        columns = [np.ones(len(one)), np.abs(one - other), both, product]
        columns += [one**2 + other**2, product * both, product**2]
        return np.stack(columns, axis=1)

    @cached_property
    def ends(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Spots of the first and of the last third along the longer axis of the section."""
        centred = self.um - self.um.mean(axis=0)
        along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
        order = np.argsort(along, kind="stable")
        third = len(order) // 3
        return np.sort(order[:third]), np.sort(order[-third:])

    @cached_property
    def whole(self) -> "Part":
        """All spots."""
        return Part.of(self, np.arange(len(self.um)), _WHOLE)

    @cached_property
    def parts(self) -> tuple["Part", "Part"]:
        """Both ends."""
        first, last = self.ends
        return Part.of(self, first, _END), Part.of(self, last, _END)

    @property
    def varies(self) -> Bool[np.ndarray, " G"]:
        """Whether a gene was measured, and varies at each end after depth and trend."""
        varying = [part.deviation > 0 for part in (self.whole, *self.parts)]
        return np.logical_and.reduce(varying)


@final
@dataclass(frozen=True, eq=False)
class Part:
    """Some spots of a section, with depth and trend regressed out."""

    rows: Int[np.ndarray, " n"]
    nuisance: Float[np.ndarray, "n c"]
    """Orthonormal columns of what is regressed out."""
    deviation: Float[np.ndarray, " G"]
    """Standard deviation of the measured values; 0 for a gene that is constant or undefined."""
    standard: Float[np.ndarray, "n G"]
    """Measured values in units of it; 0 for such a gene."""

    @classmethod
    def of(cls, section: PairSection, rows: Int[np.ndarray, " n"], degree: int) -> "Part":
        """Take these spots; a trend of this degree in both coordinates is regressed out."""
        centred = section.um[rows] - section.um[rows].mean(axis=0)
        x, y = (centred / max(float(np.abs(centred).max()), 1.0)).T
        columns = [np.ones(len(rows)), section.log_depth[rows], x, y]
        if degree == _WHOLE:
            columns += [x * x, x * y, y * y]
        nuisance = _orthonormal(np.stack(columns, axis=1))
        measured = section.measured[rows]
        left = _without(np.nan_to_num(measured), nuisance)
        deviation = left.std(axis=0)
        constant = deviation <= _ROUNDING * np.abs(measured).max(axis=0, initial=0.0)
        deviation = np.where(constant | np.isnan(measured).any(axis=0), 0.0, deviation)
        return cls(rows, nuisance, deviation, _scaled(left, deviation))

    @property
    def coexpression(self) -> Float[np.ndarray, "G G"]:
        """Correlation of what was measured of two genes."""
        return self.standard.T @ self.standard / len(self.rows)

    def likeness(self, maps: Float[np.ndarray, "N G"]) -> Float[np.ndarray, "G G"]:
        """Correlation of the maps of two genes; 0 with a constant map, which is like none."""
        left = self._left(maps)
        deviation = left.std(axis=0)
        deviation[deviation <= _ROUNDING * np.abs(maps[self.rows]).max(axis=0)] = 0.0
        scaled = _scaled(left, deviation)
        return scaled.T @ scaled / len(self.rows)

    def following(self, maps: Float[np.ndarray, "N G"]) -> Float[np.ndarray, "G G"]:
        """Covariance of one gene's map with the measured values of the other, mean of both ways.

        In units of the measured deviation of both: of a map that is as measured, the co-expression.
        """
        across = _scaled(self._left(maps), self.deviation).T @ self.standard / len(self.rows)
        return (across + across.T) / 2

    def _left(self, maps: Float[np.ndarray, "N G"]) -> Float[np.ndarray, "n G"]:
        return _without(maps[self.rows].astype(np.float64), self.nuisance)


def of_pairs(matrix: Float[np.ndarray, "G G"], section: PairSection) -> Float[np.ndarray, " P"]:
    """Values of the pairs, without what the mean expression of their genes says."""
    return of_pairs_without(matrix[section.pairs], section.by_mean)


def of_pairs_without(
    values: Float[np.ndarray, " P"], columns: Float[np.ndarray, "P c"]
) -> Float[np.ndarray, " P"]:
    """Residuals of pair values after a linear fit on these columns."""
    return _without(values[:, None], _orthonormal(columns))[:, 0]


def _orthonormal(columns: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n k"]:
    """Orthonormal basis of these columns; dependent columns add no direction."""
    vectors, size, _ = np.linalg.svd(columns, full_matrices=False)
    return vectors[:, size > _ROUNDING * size[0]]


def _without(
    values: Float[np.ndarray, "n k"], basis: Float[np.ndarray, "n c"]
) -> Float[np.ndarray, "n k"]:
    return values - basis @ (basis.T @ values)


def _scaled(
    values: Float[np.ndarray, "n G"], deviation: Float[np.ndarray, " G"]
) -> Float[np.ndarray, "n G"]:
    return np.where(deviation > 0, values / np.where(deviation > 0, deviation, 1.0), 0.0)
