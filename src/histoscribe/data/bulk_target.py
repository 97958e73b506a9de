"""Targets of whole samples: panel and transform fitted on training patients or blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float

from histoscribe.data.measured_genes import PanelCounts
from histoscribe.data.target import Target, TargetSettings
from histoscribe.data.transform import size_factors, transform_class
from histoscribe.errors import DataContractError, Problem
from histoscribe.ties import best_first
from histoscribe.types import Bag, BulkTable, Cohort

TRANSFORMS_OF = {
    "counts": ("cp10k-log1p", "cp10k", "log1p", "log10-minmax"),
    "tpm": ("cp10k-log1p", "cp10k", "log1p", "log10-minmax"),
    "fpkm": ("cp10k-log1p", "cp10k", "log1p", "log10-minmax"),
    "log": ("as-given",),
    "blocks": ("cp10k-log1p", "cp10k", "log1p", "log10-minmax"),
}
"""Unit of bags -> transforms with a meaning for it; the first is the usual one.

The others need the section of a spot, or would log a logarithm.
"""
_ROUNDING = 1e-12
_NAMED = 10


@dataclass(frozen=True, eq=False)
class BagLabels:
    """Measured values of bags, restricted to the panel of a target."""

    target: Float[np.ndarray, "M G"]
    """In the target's unit; NaN for a gene that was not measured."""
    values: Float[np.ndarray, "M G"]
    """Before the transform, e.g. counts."""
    total: Float[np.ndarray, " M"]
    """Over all measured genes."""


def fit_bulk_target(table: BulkTable, settings: TargetSettings, sections: Sequence[str]) -> Target:
    """Choose the panel and fit the transform on these training patients only.

    Raises
    ------
    DataContractError
        for fewer genes than requested, and for listed genes that are unknown or constant.
    """
    genes = _panel(table, settings)
    panel = _panel_values(table, genes)
    state = transform_class(settings.transform).fit([panel], n_listed=len(table.genes))
    return Target(
        genes=genes,
        panel=settings.panel,
        state=state,
        sections=tuple(sorted(sections)),
        n_spots=len(table.patients),
        n_filled=(),
        samples=f"bulk {table.unit}",
    )


def bulk_values(table: BulkTable, target: Target) -> BagLabels:
    """Values of all patients of a table, in its order."""
    return _bag_values(_panel_values(table, target.genes), target)


def block_target(target: Target) -> Target:
    """Make the target of blocks from the target of single spots."""
    return replace(target, samples="blocks of spots")


def block_values(cohort: Cohort, bags: Sequence[Bag], target: Target) -> BagLabels:
    """Sums of the counts of each block, transformed as if it were one deep spot."""
    counts, totals = [], []
    for bag in bags:
        parts = [target.panel_counts(cohort[s], rows) for s, rows in sorted(bag.rows.items())]
        counts.append(np.sum([part.counts.sum(axis=0) for part in parts], axis=0))
        totals.append(sum(float(part.total.sum()) for part in parts))
    return _bag_values(_sample(np.stack(counts), np.array(totals)), target)


def linear_values(
    values: Float[np.ndarray, "M G"], target: Target
) -> Float[np.ndarray, "M G"] | None:
    """Values before the logarithm, per 10,000 where depth is divided out; None without inverse."""
    try:
        return target.invert(values, np.full(len(values), 1e4))
    except ValueError:
        return None


def linear_labels(labels: BagLabels, target: Target) -> Float[np.ndarray, "M G"] | None:
    """Measured values before the logarithm, as `linear_values`; 0 stays exactly 0."""
    linear = linear_values(labels.target.astype(np.float64), target)
    # the way to the target and back is rounded, and `mape` divides by every value above zero
    return None if linear is None else np.where(labels.values == 0, 0.0, linear)


def _bag_values(panel: PanelCounts, target: Target) -> BagLabels:
    return BagLabels(target.values(panel), panel.counts, panel.total)


def _panel_values(table: BulkTable, genes: Sequence[str]) -> PanelCounts:
    place = {gene: column for column, gene in enumerate(table.genes)}
    values = table.values[:, [place[gene] for gene in genes]]
    # logged values have no total; nothing divides by this one
    total = np.ones(len(values)) if table.unit == "log" else table.values.sum(axis=1)
    return _sample(values, total)


def _sample(values: Float[np.ndarray, "M G"], total: Float[np.ndarray, " M"]) -> PanelCounts:
    """Whole samples as the rows that transforms read; they have no section."""
    return PanelCounts(values, total, np.full(values.shape[1], np.nan), len(values))


def _panel(table: BulkTable, settings: TargetSettings) -> tuple[str, ...]:
    if settings.listed is not None:
        if problems := [*_list_problems(table, settings.listed)]:
            raise DataContractError(problems)
        return settings.listed
    varies = np.flatnonzero(np.ptp(table.values, axis=0) > 0)
    if len(varies) < settings.n_genes:
        raise DataContractError(
            Problem(
                where="settings, target.n_genes",
                found=f"{len(varies)} genes to choose {settings.n_genes} from",
                expected=f"at least {settings.n_genes} genes that vary over the training patients",
                remedy=f"set at most {len(varies)} genes",
            )
        )
    genes = sorted(table.genes[column] for column in varies)
    score = _scores(table, genes, settings)
    best = best_first(score, _ROUNDING * np.abs(score).max())
    return tuple(genes[row] for row in best[: settings.n_genes])


def _scores(
    table: BulkTable, genes: Sequence[str], settings: TargetSettings
) -> Float[np.ndarray, " n"]:
    """Score of each gene, for genes that vary over patients."""
    panel = _panel_values(table, genes)
    if settings.panel == "highest-mean":
        if table.unit == "log":
            return panel.counts.mean(axis=0)
        total = np.maximum(panel.total, 1e-300)
        return (panel.counts / size_factors(total)[:, None]).mean(axis=0)
    state = transform_class(settings.transform).fit([panel], n_listed=len(table.genes))
    return np.nan_to_num(state.apply(panel).var(axis=0))


def _list_problems(table: BulkTable, genes: Sequence[str]) -> Iterator[Problem]:
    where, place = "settings, target.genes", {g: column for column, g in enumerate(table.genes)}
    unknown = [gene for gene in genes if gene not in place]
    if unknown:
        near = get_close_matches(unknown[0], table.genes, n=3)
        like = ", ".join(table.genes[:3])
        hint = f"{unknown[0]}: did you mean {' or '.join(near)}?" if near else f"its ids are {like}"
        yield Problem(
            where=where,
            found=f"{len(unknown)} of {len(genes)} genes are not in the table: {_names(unknown)}",
            expected="ids as the table gives them",
            remedy=f"correct or leave them out ({hint})",
        )
    constant = [g for g in genes if g in place and np.ptp(table.values[:, place[g]]) == 0]
    if constant:
        yield Problem(
            where=where,
            found=f"constant over all training patients: {_names(constant)}",
            expected="genes that vary in training",
            remedy="leave them out: there is nothing to learn",
        )


def _names(genes: Sequence[str]) -> str:
    more = len(genes) - _NAMED
    return ", ".join(genes[:_NAMED]) + (f" (and {more} more)" if more > 0 else "")
