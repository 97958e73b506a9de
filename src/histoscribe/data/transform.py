"""Transforms of counts into target values, by name.

Each transform is fitted on training spots, keeps its state, and can be inverted where possible.
Totals are over all measured genes, except in `panel-log10`, which repeats a published scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.data.measured_genes import PanelCounts
from histoscribe.data.panel_log10 import PanelLog10
from histoscribe.data.transform_base import Transform as Transform
from histoscribe.data.transform_base import size_factors as size_factors

THETA = 100.0
"""Overdispersion of the negative binomial behind `pearson-residuals`."""

LINEAR = "cp10k"
"""Name of the linear transform, which losses of counts need."""


class _Stateless(Transform):
    @classmethod
    def fit(cls, parts: Sequence[PanelCounts], n_listed: int) -> "_Stateless":
        del parts, n_listed
        return cls()


@final
@dataclass(frozen=True)
class PearsonResiduals(_Stateless):
    """Analytic Pearson residuals (Lause et al. 2021, doi 10.1186/s13059-021-02451-7, eq. 2 to 4).

    The expected count is the spot's total times the gene's share in that section; theta is 100;
    values are clipped at the square root of the section's number of spots. Shares come from the
    section itself: with training shares the truth would keep a correlation of 0.4 with depth. So
    the truth is centred, and differences in level between sections are not predicted.
    """

    name = "pearson-residuals"
    unit = (
        "Pearson residual: standard deviations above (+) or below (−) the count that the depth of "
        "the spot and the gene's share in its section lead to expect"
    )
    statistic = (
        "the gene's share in all counts of the same section (each section its own, test sections "
        "too): centres the truth, so levels between sections are not predicted; not invertible"
    )

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Residuals, in standard deviations of the null model."""
        return pearson_residuals(panel)

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Refuse: a section without counts has no gene shares, and clipping loses values."""
        raise ValueError(
            "pearson-residuals cannot be inverted: each section has its own gene shares, which a "
            "section without counts does not have, and clipped values are lost"
        )


@final
@dataclass(frozen=True)
class Cp10kLog1p(_Stateless):
    """log(1 + counts per 10,000 of the spot): depth is divided out, its noise remains."""

    name = "cp10k-log1p"
    unit = "natural log of 1 + counts per 10,000 counts of the spot"
    statistic = "none beside the spot's own total"
    non_negative = True

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Natural log; an empty spot stays all zeros."""
        return np.log1p(Cp10k().apply(panel))

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts of spots with these totals."""
        return np.expm1(values) * size_factors(total)[:, None]


@final
@dataclass(frozen=True)
class Cp10k(_Stateless):
    """Counts per 10,000 of the spot: the linear scale on which models of counts predict."""

    name = LINEAR
    unit = "counts per 10,000 counts of the spot"
    statistic = "none beside the spot's own total"
    non_negative = True

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Counts divided by the size factor; an empty spot stays all zeros."""
        # an empty spot is divided by the total of one count, which keeps its zeros
        return panel.counts / size_factors(np.maximum(panel.total, 1.0))[:, None]

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts of spots with these totals."""
        return values * size_factors(total)[:, None]


@final
@dataclass(frozen=True)
class Log1p(_Stateless):
    """log(1 + count), as in the HEST-Benchmark: depth remains, and dominates."""

    name = "log1p"
    unit = "natural log of 1 + count; not corrected for the depth of the spot"
    statistic = "none; not normalised by depth"
    non_negative = True

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Natural log of the raw counts."""
        return np.log1p(panel.counts)

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts; the totals are not needed."""
        del total
        return np.expm1(values)


@final
@dataclass(frozen=True)
class RawCounts(_Stateless):
    """Unchanged counts, for models with a count distribution and size factors."""

    name = "counts"
    unit = "molecules counted in the spot; not corrected for its depth"
    statistic = "none; size factors are totals over all genes per 10,000 counts"
    non_negative = True

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """The counts."""
        return panel.counts

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """The values themselves."""
        del total
        return values


@final
@dataclass(frozen=True)
class AsGiven(_Stateless):
    """Values unchanged, for tables of bulk expression that are already logged."""

    name = "as-given"
    unit = "value of the table of expression, as its authors logged it"
    statistic = "none; normalised and logged before the table was given"

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """The values."""
        return panel.counts

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Refuse: the base of the logarithm is not known."""
        raise ValueError("as-given cannot be inverted: how the values were logged is not known")


@final
@dataclass(frozen=True)
class StNet(Transform):
    """log((1 + count) / (n_genes + total)), as ST-Net (doi 10.1038/s41551-020-0578-x).

    One pseudocount for each of `n_genes`, the number of genes listed by any training section. It is
    the same for all sections, because tables that leave out genes without counts differ in length.
    """

    n_genes: int
    name = "st-net"
    unit = "natural log of the gene's share in the counts of the spot, one pseudocount a gene"
    statistic = "number of genes listed in training"

    @classmethod
    def fit(cls, parts: Sequence[PanelCounts], n_listed: int) -> "StNet":
        """Store the number of genes."""
        del parts
        return cls(n_listed)

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Natural log of the smoothed share."""
        return np.log((1 + panel.counts) / (self.n_genes + panel.total)[:, None])

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts of spots with these totals."""
        return np.exp(values) * (self.n_genes + total)[:, None] - 1


@final
@dataclass(frozen=True)
class Log10MinMax(Transform):
    """log10(1 + count), scaled per gene to 0..1 over the training spots, as in EGN.

    Other spots may lie outside 0..1; nothing is clipped.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    name = "log10-minmax"
    unit = (
        "log10 of 1 + count, 0 at the lowest training spot of the gene and 1 at the highest; "
        "not corrected for the depth of the spot"
    )
    statistic = "minimum and maximum over the training spots; not normalised by depth"

    @classmethod
    def fit(cls, parts: Sequence[PanelCounts], n_listed: int) -> "Log10MinMax":
        """Compute the range of each gene."""
        del n_listed
        logs = [np.log10(1 + part.counts) for part in parts]
        low = np.min([values.min(axis=0) for values in logs], axis=0)
        high = np.max([values.max(axis=0) for values in logs], axis=0)
        return cls(tuple(low.tolist()), tuple(high.tolist()))

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """0 at the lowest training spot, 1 at the highest."""
        low, high = np.array(self.low), np.array(self.high)
        return (np.log10(1 + panel.counts) - low) / (high - low)

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts; the totals are not needed."""
        del total
        low, high = np.array(self.low), np.array(self.high)
        return 10 ** (values * (high - low) + low) - 1


_ALL: tuple[type[Transform], ...] = (
    PearsonResiduals,
    Cp10kLog1p,
    Cp10k,
    Log10MinMax,
    StNet,
    PanelLog10,
    Log1p,
    RawCounts,
    AsGiven,
)

TRANSFORMS: Mapping[str, type[Transform]] = MappingProxyType({cls.name: cls for cls in _ALL})


def transform_class(name: str) -> type[Transform]:
    """Transform of this name; the error of an unknown one lists similar names."""
    if name not in TRANSFORMS:
        near = get_close_matches(name, list(TRANSFORMS), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose: {', '.join(TRANSFORMS)}"
        raise ValueError(f"no transform named {name!r}; {hint}")
    return TRANSFORMS[name]


def pearson_residuals(panel: PanelCounts) -> Float[np.ndarray, "N G"]:
    """Analytic Pearson residuals; 0 where nothing is expected (an empty spot or gene)."""
    expected = panel.total[:, None] * panel.share
    spread = np.sqrt(expected + expected**2 / THETA)
    residual = (panel.counts - expected) / np.where(spread > 0, spread, 1.0)
    bound = np.sqrt(panel.n_section_spots)
    return np.clip(residual, -bound, bound)
