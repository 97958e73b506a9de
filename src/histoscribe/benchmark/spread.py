"""Variation of predictions over spots beside that of the measured values."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from histoscribe.benchmark.score import Scored


def spread_table(scored: Sequence[Scored]) -> pd.DataFrame:
    """Sums of squares around the mean of each section, by model and gene.

    Columns `predicted` and `measured` are summed over the test sections in which the gene varies.
    """
    parts = []
    for item in scored:
        sums = item.evaluated.moments
        varies = np.isfinite(sums.yy) & ~sums.y_constant
        parts.append(
            pd.DataFrame(
                {
                    "model": item.model,
                    "gene": np.array(item.truth.genes)[varies],
                    "predicted": np.where(sums.x_constant, 0.0, sums.xx)[varies],
                    "measured": sums.yy[varies],
                }
            )
        )
    return total_spread(parts)


def total_spread(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Sums of these tables, by model and gene."""
    every = pd.concat(tables, ignore_index=True)
    return every.groupby(["model", "gene"], sort=False, as_index=False).sum()
