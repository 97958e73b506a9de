"""Genes of similar expression, among which random gene sets are drawn."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from histoscribe.data.measured_genes import panel_counts
from histoscribe.types import Section

GENES_IN_BIN = 20
"""Least number of genes of one level of expression, among which members are exchanged."""


def expression_bins(expression: Float[np.ndarray, " G"]) -> list[Int[np.ndarray, " n"]]:
    """Genes in bins of similar expression, lowest first; each has `GENES_IN_BIN` or some more."""
    order = np.argsort(expression, kind="stable")
    return np.array_split(order, max(1, len(order) // GENES_IN_BIN))


def mean_expression(
    sections: Iterable[Section], genes: tuple[str, ...]
) -> Float[np.ndarray, " genes"]:
    """Counts of each gene per 10,000 of a section, mean over sections.

    NaN for a gene that no section measured.
    """
    shares = np.array([panel_counts(section, None, genes).share for section in sections])
    measured = np.isfinite(shares)
    n_sections = measured.sum(axis=0)
    total = np.where(measured, shares, 0.0).sum(axis=0)
    return 1e4 * np.where(n_sections > 0, total / np.maximum(n_sections, 1), np.nan)
