"""Survival by subtype: Kaplan-Meier curves with numbers at risk, and a test from 20 deaths on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import chi2

LEAST_DEATHS = 20
"""Below this number of deaths curves are shown and not tested."""
_FEWEST_COUNTS = 4
"""Least number of steps at which patients at risk are counted."""


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Kaplan-Meier curve of one class."""

    subtype: str
    days: Float[np.ndarray, " T"]
    """Start, days with a death or a last contact, in order."""
    alive: Float[np.ndarray, " T"]
    """Estimated share that is alive after each."""
    censored: Bool[np.ndarray, " T"]
    """Whether a last contact is at this day."""
    n_patients: int
    n_deaths: int
    at_risk: tuple[int, ...]
    """Number of patients under observation at each of the common times."""


@dataclass(frozen=True, eq=False)
class Survival:
    """Survival of all classes."""

    curves: tuple[SurvivalCurve, ...]
    times: Float[np.ndarray, " C"]
    """Days at which patients at risk are counted."""
    p: float
    """Log-rank test of equal survival; NaN with fewer than `LEAST_DEATHS` deaths."""

    @property
    def n_deaths(self) -> int:
        """Number of deaths over all classes."""
        return sum(curve.n_deaths for curve in self.curves)


def survival_by_class(
    days_and_death: Float[np.ndarray, "N 2"], subtype: Sequence[str]
) -> Survival | None:
    """Estimate survival; patients without days or class are left out, and None without any."""
    known = np.isfinite(days_and_death).all(axis=1) & np.array([bool(of) for of in subtype])
    if not known.any():
        return None
    days, dead = days_and_death[known, 0], days_and_death[known, 1] == 1
    of = np.array(subtype)[known]
    times = _round_times(float(days.max()))
    classes = sorted(set(of.tolist()))
    curves = [_curve(name, days[of == name], dead[of == name], times) for name in classes]
    tested = dead.sum() >= LEAST_DEATHS and len(classes) > 1
    return Survival(tuple(curves), times, log_rank_p(days, dead, of) if tested else float("nan"))


def log_rank_p(
    days: Float[np.ndarray, " N"], dead: Bool[np.ndarray, " N"], groups: np.ndarray
) -> float:
    """P of the log-rank test of equal survival of K groups (Peto and Peto 1972), chi2 of K - 1."""
    names = np.unique(groups)
    excess, variance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for day in np.unique(days[dead]):
        at_risk = np.array([((days >= day) & (groups == name)).sum() for name in names])
        died = np.array([((days == day) & dead & (groups == name)).sum() for name in names])
        n, d = at_risk.sum(), died.sum()
        share = at_risk / n
        excess += died - d * share
        if n > 1:
            variance += d * (n - d) / (n - 1) * (np.diag(share) - np.outer(share, share))
    statistic = excess @ np.linalg.pinv(variance) @ excess
    return float(chi2.sf(statistic, len(names) - 1))


def _curve(
    name: str,
    days: Float[np.ndarray, " n"],
    dead: Bool[np.ndarray, " n"],
    times: Float[np.ndarray, " C"],
) -> SurvivalCurve:
    """Product over days of the share of those at risk that survives (Kaplan and Meier 1958)."""
    steps = np.unique(days)
    at_risk = np.array([(days >= day).sum() for day in steps])
    died = np.array([((days == day) & dead).sum() for day in steps])
    lost = np.array([bool(((days == day) & ~dead).any()) for day in steps])
    return SurvivalCurve(
        subtype=name,
        days=np.concatenate([[0.0], steps]),
        alive=np.concatenate([[1.0], np.cumprod(1 - died / at_risk)]),
        censored=np.concatenate([[False], lost]),
        n_patients=len(days),
        n_deaths=int(dead.sum()),
        at_risk=tuple(int((days >= time).sum()) for time in times),
    )


def _round_times(last: float) -> Float[np.ndarray, " C"]:
    """Multiples of 1, 2 or 5 times a power of ten up to the last day, from 0."""
    longest = max(last, 1.0) / _FEWEST_COUNTS
    power = 10.0 ** np.floor(np.log10(longest))
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= longest)
    return np.arange(0.0, last + 1e-9, step)
