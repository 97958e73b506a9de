"""Metrics made of sums over spots, for all genes in one pass over the arrays.

18,000 genes x 5,000 spots take 700 MB in float32, so a few genes at a time are centred in their own
precision, and the sums are kept in float64.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from os import cpu_count

import numpy as np
from jaxtyping import Bool, Float

# genes x spots of one block: 512 KB in float32, so that its few passes stay in the cache
_GENES, _SPOTS = 1024, 128

RVD_EPS = 1e-8


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of each gene for the moment metrics: x predicted, y measured, d log total count.

    Sums are of centred values over the spots of one section.
    """

    n_spots: int
    rounding: float
    """Spacing of floats around 1 in the coarser input: defines "within rounding"."""
    dd: float
    gap: Float[np.ndarray, " G"]
    """Mean of x minus mean of y."""
    xx: Float[np.ndarray, " G"]
    yy: Float[np.ndarray, " G"]
    xy: Float[np.ndarray, " G"]
    xd: Float[np.ndarray, " G"]
    yd: Float[np.ndarray, " G"]
    square: Float[np.ndarray, " G"]
    """Sum of (x - y)^2."""
    absolute: Float[np.ndarray, " G"]
    """Sum of abs(x - y)."""
    span: Float[np.ndarray, " G"]
    """Largest minus smallest y; NaN where the gene was not measured."""
    x_constant: Bool[np.ndarray, " G"]
    y_constant: Bool[np.ndarray, " G"]


def moments(
    predicted: Float[np.ndarray, "N G"],
    measured: Float[np.ndarray, "N G"],
    log_total: Float[np.ndarray, " N"] | None = None,
) -> Moments:
    """Sum both arrays in one pass; a gene that was not measured is a column of NaN in `measured`.

    Without `log_total`, the partial correlations are the plain ones.

    Raises
    ------
    ValueError
        For a prediction that is not finite: a fault of the model, never a missing score.
    """
    n_spots, n_genes = predicted.shape
    if n_spots == 0:
        raise ValueError("no spots to score")
    kind = np.result_type(predicted, measured)
    depth = np.zeros(n_spots) if log_total is None else log_total - log_total.mean()
    both = np.stack([np.ones(n_spots), depth]).astype(kind)
    parts = [slice(start, start + _GENES) for start in range(0, n_genes, _GENES)]

    def of_part(at: slice) -> dict[str, np.ndarray]:
        return _sums(predicted[:, at], measured[:, at], both)

    if len(parts) < 2:  # a thread takes longer to start than a small part to sum
        sums = [of_part(at) for at in parts]
    else:
        # the blocks are fixed and independent, so more threads give the same bits
        with ThreadPoolExecutor(min(len(parts), cpu_count() or 1)) as threads:
            sums = list(threads.map(of_part, parts))
    columns = {
        name: np.concatenate([np.zeros(0), *(part[name] for part in sums)]) for name in _PER_GENE
    }
    x_eps, y_eps = (float(np.finfo(values.dtype).eps) for values in (predicted, measured))
    return Moments(
        n_spots=n_spots,
        rounding=max(x_eps, y_eps),
        dd=float(depth @ depth),
        span=columns["y_high"] - columns["y_low"],
        x_constant=_constant(columns["x_low"], columns["x_high"], x_eps),
        y_constant=_constant(columns["y_low"], columns["y_high"], y_eps),
        **{field.name: columns[field.name] for field in fields(Moments) if field.name in columns},
    )


def pearson_per_gene(
    predicted: Float[np.ndarray, "N G"], measured: Float[np.ndarray, "N G"]
) -> Float[np.ndarray, " G"]:
    """Pearson correlation of each gene over the spots of one section.

    Both inputs hold the same spots, genes and units, in the same order.

    Returns
    -------
    [G] correlations in -1..1. NaN where the measured gene is constant: there is nothing to
    correlate with. 0 where only the prediction is constant: it found no correlation.
    """
    return pcc(moments(predicted, measured))


def partial_pearson_per_gene(
    predicted: Float[np.ndarray, "N G"],
    measured: Float[np.ndarray, "N G"],
    log_total: Float[np.ndarray, " N"],
) -> Float[np.ndarray, " G"]:
    """Partial Pearson correlation of each gene, given the measured log total count (`[N]`).

    Returns
    -------
    [G] correlations in -1..1 of the residuals of both after a linear fit on the log total. NaN
    where the residual of the measured gene is zero, 0 where that of the prediction is.
    """
    return pcc_given_depth(moments(predicted, measured, log_total))


def pcc(m: Moments) -> Float[np.ndarray, " G"]:
    """Pearson per gene; NaN for a constant gene, 0 for a constant prediction."""
    return _correlation(m.xx, m.yy, m.xy, m.x_constant, m.y_constant)


def pcc_given_depth(m: Moments) -> Float[np.ndarray, " G"]:
    """Partial Pearson per gene given the log total; see `partial_pearson_per_gene`."""
    per_depth = 1 / m.dd if m.dd > 0 else 0.0  # all spots have equal depth: nothing to condition on
    xx, yy = m.xx - m.xd**2 * per_depth, m.yy - m.yd**2 * per_depth
    xy = m.xy - m.xd * m.yd * per_depth
    explained = 100 * m.rounding  # of the variance: the sums above are no more exact than that
    x_gone = m.x_constant | (xx <= explained * m.xx)
    return _correlation(xx, yy, xy, x_gone, m.y_constant | (yy <= explained * m.yy))


def ccc(m: Moments) -> Float[np.ndarray, " G"]:
    """Lin's concordance per gene (doi 10.2307/2532051); undefined in the same cases as `pcc`."""
    total = m.xx + m.yy + m.n_spots * m.gap**2
    agreed = np.where(m.x_constant & np.isfinite(total), 0.0, 2 * m.xy)
    return np.where(m.y_constant, np.nan, agreed / np.where(m.y_constant, 1.0, total))


def mse(m: Moments) -> Float[np.ndarray, " G"]:
    """Mean squared error per gene; NaN only where the gene was not measured."""
    return m.square / m.n_spots


def mae(m: Moments) -> Float[np.ndarray, " G"]:
    """Mean absolute error per gene; NaN only where the gene was not measured."""
    return m.absolute / m.n_spots


def rmse(m: Moments) -> Float[np.ndarray, " G"]:
    """Root of the mean squared error per gene."""
    return np.sqrt(mse(m))


def nrmse(m: Moments) -> Float[np.ndarray, " G"]:
    """Root mean squared error over the gene's range in the section; NaN for a constant gene."""
    return np.where(m.y_constant, np.nan, rmse(m) / np.where(m.y_constant, 1.0, m.span))


def rvd(m: Moments) -> Float[np.ndarray, " G"]:
    """Relative variance distance, squared: about 1 for a constant prediction, 0 at best."""
    difference = (m.xx - m.yy) / (m.yy + m.n_spots * RVD_EPS)
    return np.where(m.y_constant, np.nan, difference**2)


_PER_GENE = (
    *("gap", "xx", "yy", "xy", "xd", "yd", "square", "absolute"),
    *("x_low", "x_high", "y_low", "y_high"),
)


def _sums(
    predicted: Float[np.ndarray, "N part"],
    measured: Float[np.ndarray, "N part"],
    both: Float[np.ndarray, "2 N"],
) -> dict[str, Float[np.ndarray, " part"]]:
    """Sums of a few genes; `both` holds ones and centred log totals in the input's precision."""
    n_spots, n_genes = predicted.shape
    means = [_mean(values, both[0]) for values in (predicted, measured)]
    x_mean, y_mean = (mean.astype(both.dtype) for mean in means)
    total = {name: np.zeros(n_genes) for name in _PER_GENE}
    x_sum, y_sum = np.zeros(n_genes), np.zeros(n_genes)
    for rows in _blocks(n_spots):
        x, y, weights = predicted[rows] - x_mean, measured[rows] - y_mean, both[:, rows]
        for name, left, right in (("xx", x, x), ("yy", y, y), ("xy", x, y)):
            total[name] += np.einsum("ng,ng->g", left, right)
        for sums, name, values in ((x_sum, "xd", x), (y_sum, "yd", y)):
            plain, deep = weights @ values
            sums += plain
            total[name] += deep
        np.subtract(predicted[rows], measured[rows], out=x)
        total["square"] += np.einsum("ng,ng->g", x, x)
        total["absolute"] += weights[0] @ np.abs(x, out=x)
    # the means are rounded to the input's precision: subtract what that left over
    total["xx"] -= x_sum**2 / n_spots
    total["yy"] -= y_sum**2 / n_spots
    total["xy"] -= x_sum * y_sum / n_spots
    total["gap"] = (x_mean.astype(np.float64) - y_mean) + (x_sum - y_sum) / n_spots
    total["x_low"], total["x_high"] = predicted.min(axis=0), predicted.max(axis=0)
    total["y_low"], total["y_high"] = measured.min(axis=0), measured.max(axis=0)
    if not np.isfinite(total["x_low"] + total["x_high"]).all():
        raise ValueError("the prediction is not finite (NaN or infinite) for some gene")
    return total


def _mean(values: Float[np.ndarray, "N part"], ones: Float[np.ndarray, " N"]) -> np.ndarray:
    total = np.zeros(values.shape[1])
    for rows in _blocks(len(values)):
        total += ones[rows] @ values[rows]
    return total / len(values)


def _blocks(n_spots: int) -> Iterator[slice]:
    return (slice(start, start + _SPOTS) for start in range(0, n_spots, _SPOTS))


def _constant(
    low: Float[np.ndarray, " G"], high: Float[np.ndarray, " G"], rounding: float
) -> Bool[np.ndarray, " G"]:
    return high - low <= 4 * rounding * np.maximum(np.abs(low), np.abs(high))


def _correlation(
    xx: Float[np.ndarray, " G"],
    yy: Float[np.ndarray, " G"],
    xy: Float[np.ndarray, " G"],
    x_none: Bool[np.ndarray, " G"],
    y_none: Bool[np.ndarray, " G"],
) -> Float[np.ndarray, " G"]:
    """Correlation from sums; the flags mark genes where nothing is left of x or of y."""
    scale = np.sqrt(np.where(x_none, 1.0, xx)) * np.sqrt(np.where(y_none, 1.0, yy))
    r = np.where(x_none & np.isfinite(yy), 0.0, np.clip(xy / scale, -1.0, 1.0))
    return np.where(y_none, np.nan, r)
