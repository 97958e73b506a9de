"""Histograms of target values and total counts, from the measured values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.benchmark.views import View

BINS = 24
_MOST_GROUPS = 12  # more lines in one plot cannot be told apart


@dataclass(frozen=True, eq=False)
class Group:
    """Spots of one section, one patient or all, as one line of a histogram."""

    name: str
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False)
class GeneCounts:
    """Number of spots of each gene in bins of equal width."""

    genes: tuple[str, ...]
    low: Float[np.ndarray, " G"]
    high: Float[np.ndarray, " G"]
    """Upper edge of the last bin: the highest 99th percentile of any section. Higher values are
    counted in the last bin, because one extreme spot would squeeze all others into the first.
    """
    groups: tuple[str, ...]
    spots: Int[np.ndarray, "groups G bins"]


@dataclass(frozen=True, eq=False)
class DepthCounts:
    """Number of spots in bins of equal width of the log10 total count."""

    edges: Float[np.ndarray, " edges"]
    groups: tuple[str, ...]
    spots: Int[np.ndarray, "groups bins"]


def gene_counts(views: Sequence[View], genes: Sequence[str]) -> GeneCounts:
    """Count the measured values of every gene by patient (in one group if there are many)."""
    low, high = np.full(len(genes), np.inf), np.full(len(genes), -np.inf)
    for view in views:
        values, columns = _of(view, genes)
        known = np.isfinite(values).any(axis=0)
        at = columns[known]
        low[at] = np.minimum(low[at], np.nanmin(values[:, known], axis=0))
        high[at] = np.maximum(high[at], np.nanpercentile(values[:, known], 99, axis=0))
    low[~np.isfinite(low)], high[~np.isfinite(high)] = 0.0, 1.0
    high = np.where(high > low, high, low + 1.0)
    groups = patient_groups(views)
    spots = np.zeros((len(groups), len(genes), BINS), dtype=np.int64)
    for row, group in enumerate(groups):
        for view in group.views:
            values, columns = _of(view, genes)
            known = np.isfinite(values)
            step = (high - low)[columns] / BINS
            place = np.where(known, values, low[columns]) - low[columns]
            bins = np.clip((place / step).astype(int), 0, BINS - 1)
            gene = np.broadcast_to(columns, bins.shape)
            np.add.at(spots[row], (gene[known], bins[known]), 1)
    return GeneCounts(tuple(genes), low, high, tuple(group.name for group in groups), spots)


def patient_groups(views: Sequence[View]) -> list[Group]:
    """Group the views by patient; all in one group if there would be too many lines."""
    patients = sorted({view.measured.patient for view in views})
    if len(patients) > _MOST_GROUPS:
        return [Group(f"all {len(patients)} patients", tuple(views))]
    return [
        Group(f"patient {name}", tuple(v for v in views if v.measured.patient == name))
        for name in patients
    ]


def depth_counts(views: Sequence[View]) -> DepthCounts:
    """Count the total counts of the spots by section (by patient if there are many)."""
    groups = _by_section(views)
    totals = [np.concatenate([_log10_total(view) for view in group.views]) for group in groups]
    both = np.concatenate(totals)
    edges = np.linspace(both.min(), max(both.max(), both.min() + 0.1), BINS + 1)
    spots = np.stack([np.histogram(total, edges)[0] for total in totals])
    return DepthCounts(edges, tuple(group.name for group in groups), spots)


def _of(view: View, genes: Sequence[str]) -> tuple[Float[np.ndarray, "N g"], Int[np.ndarray, " g"]]:
    """Values of a view's genes, with indices among all genes."""
    column = {gene: place for place, gene in enumerate(genes)}
    has = [(i, column[gene]) for i, gene in enumerate(view.measured.genes) if gene in column]
    rows, columns = np.array(has, dtype=np.int64).reshape(-1, 2).T
    return view.measured.values[:, rows].astype(np.float64), columns


def _by_section(views: Sequence[View]) -> list[Group]:
    sections = sorted({(view.measured.section, view.measured.patient) for view in views})
    if len(sections) > _MOST_GROUPS:
        return patient_groups(views)
    return [
        Group(
            f"section {section} (patient {patient})",
            tuple(v for v in views if v.measured.section == section),
        )
        for section, patient in sections
    ]


def _log10_total(view: View) -> Float[np.ndarray, " N"]:
    # an empty spot is drawn at one count
    return np.log10(np.maximum(np.expm1(view.measured.log_total), 1.0))
