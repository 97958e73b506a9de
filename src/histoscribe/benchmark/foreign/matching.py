"""Match the spots and genes of foreign predictions with a cohort, all problems at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.spatial import cKDTree

from histoscribe.benchmark.foreign.model import SectionValues
from histoscribe.benchmark.foreign.sets import PredictionSet
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.value_table import ValueTable
from histoscribe.io.sections.gene_ids import plain_id
from histoscribe.io.sections.spot_names import NameFit, fit_barcodes, fit_places
from histoscribe.io.sections.table import some
from histoscribe.types import Cohort, Section

BY_NAME = "names"
_NEAR = 0.25
"""Distance up to which a place is that of a spot, in steps of the lattice or widths of a cell."""
_MOST = 0.5
"""Least share of places that must be spots: else they are px of another image."""


class CohortGenes:
    """Ids of the genes that a cohort lists, also by symbol where one gene alone has it."""

    def __init__(self, cohort: Cohort) -> None:
        pairs = {
            pair
            for section in cohort
            for pair in zip(section.measured.gene_ids, section.measured.gene_names, strict=True)
        }
        self.ids = {gene for gene, _ in pairs}
        times = Counter(name for _, name in pairs)
        self._of_symbol = {name: gene for gene, name in pairs if times[name] == 1}

    def match(self, table: ValueTable) -> list[str | None]:
        """Gene of each column by id, else by name, else by symbol; None if unknown."""
        return [
            next((gene for name in names if (gene := self._gene(name)) is not None), None)
            for names in zip(table.gene_ids, table.genes, strict=True)
        ]

    def _gene(self, name: str) -> str | None:
        plain = plain_id(name)
        return plain if plain in self.ids else self._of_symbol.get(name)


@dataclass(frozen=True, eq=False)
class _SpotFit:
    rows: list[int | None]
    """Spot of each row of the table; None if it is none of the section."""
    matched_by: str


def match_sections(
    predictions: PredictionSet, cohort: Cohort, genes: CohortGenes
) -> dict[str, SectionValues]:
    """Values of each predicted section of a model.

    A spot or gene without any value was not predicted.

    Raises
    ------
    DataContractError
        listing every unknown section, one in two tables, spots or genes that are none of the
        cohort or named twice, and values that are infinite or missing in part.
    """
    problems: list[Problem] = []
    found: dict[str, SectionValues] = {}
    parts = [part for hint, table in predictions.tables for part in _by_section(hint, table)]
    for section, table, rows in parts:
        where = f"{table.where}, section {section}" if section != table.where else section
        if section not in cohort.ids:
            problems.append(_unknown_section(table.where, section, cohort))
        elif section in found:
            remedy = "leave out one, or name the models: NAME=PATH"
            found_ = f"section {section} is in two tables of {predictions.name}"
            problems.append(Problem(table.where, found_, "a section in one table", remedy))
        else:
            try:
                found[section] = _values(where, table, rows, cohort[section], genes)
            except DataContractError as error:
                problems += error.problems
    if problems:
        raise DataContractError(problems)
    return dict(sorted(found.items()))


def _by_section(
    hint: str | None, table: ValueTable
) -> Iterator[tuple[str, ValueTable, Int[np.ndarray, " rows"]]]:
    """Rows of each section of a table."""
    if hint is not None or table.sections is None:
        yield hint or "", table, np.arange(len(table.spots))
        return
    names = np.array(table.sections, dtype=object)
    for section in dict.fromkeys(table.sections):
        yield section, table, np.flatnonzero(names == section)


def _values(
    where: str,
    table: ValueTable,
    rows: Int[np.ndarray, " rows"],
    section: Section,
    genes: CohortGenes,
) -> SectionValues:
    matched = genes.match(table)
    fit = _spots(table, rows, section)
    columns = [column for column, gene in enumerate(matched) if gene is not None]
    spots = [(spot, row) for spot, row in zip(fit.rows, rows, strict=True) if spot is not None]
    problems = [*_gene_problems(where, table, matched), *_spot_problems(where, table, fit, section)]
    values = table.values[[row for _, row in spots]][:, columns]
    spot_given, gene_given = _given(values)
    problems += _value_problems(where, values[spot_given][:, gene_given])
    if problems:
        raise DataContractError(problems)
    numbers = np.array([spot for spot, _ in spots])
    order = np.argsort(numbers[spot_given])
    return SectionValues(
        rows=numbers[spot_given][order],
        genes=tuple(
            str(matched[column]) for column, known in zip(columns, gene_given, strict=True) if known
        ),
        values=np.ascontiguousarray(values[spot_given][order][:, gene_given]),
        n_unknown_rows=len(rows) - len(spots),
        n_unknown_genes=len(matched) - len(columns),
        matched_by=fit.matched_by,
    )


def _spots(table: ValueTable, rows: Int[np.ndarray, " rows"], section: Section) -> _SpotFit:
    """Spots by name, else by what the names have in common, else by place."""
    names = [table.spots[row] for row in rows]
    place = {spot: at for at, spot in enumerate(section.spots.ids)}
    fit = fit_barcodes(names, section.spots.ids)
    if not fit.n and not fit.problem:
        fit = fit_places(names, section.spots.ids, None)
    if fit.n and not fit.problem:
        how = (
            BY_NAME
            if all(n in place or n == i for n, i in zip(names, fit.ids, strict=True))
            else (f"{BY_NAME}, without what they all begin or end with")
        )
        return _SpotFit([place.get(name) for name in fit.ids], how)
    if table.xy is None or not len(rows):
        return _SpotFit([None] * len(rows), _failure(fit))
    step_px = (section.spots.pitch_um or section.spots.drawn_um) / section.slide.mpp
    distance, spot = cKDTree(section.spots.xy).query(table.xy[rows])
    near = distance <= _NEAR * step_px
    if near.mean() < _MOST:
        return _SpotFit([None] * len(rows), _failure(fit))
    found = [int(at) if is_near else None for at, is_near in zip(spot, near, strict=True)]
    return _SpotFit(found, "places")


def _failure(fit: NameFit) -> str:
    return fit.problem or ""


def _given(
    values: Float32[np.ndarray, "n G"],
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " G"]]:
    """Flags of spots and of genes with any value."""
    known = ~np.isnan(values)
    return known.any(axis=1), known.any(axis=0)


def _value_problems(where: str, values: Float32[np.ndarray, "n G"]) -> Iterator[Problem]:
    if n := int(np.isinf(values).sum()):
        yield Problem(where, f"{n} infinite values", "finite ones", "correct the prediction")
    if n := int(np.isnan(values).sum()):
        yield Problem(
            where=where,
            found=f"{n} values are missing (NaN) of spots and genes that have others",
            expected="a value for every spot and gene, or none at all for a spot or a gene",
            remedy="leave out these spots or genes, or predict them",
        )


def _gene_problems(
    where: str, table: ValueTable, matched: Sequence[str | None]
) -> Iterator[Problem]:
    known = [gene for gene in matched if gene is not None]
    if not known:
        yield Problem(
            where=where,
            found=f"no gene of the cohort among {len(matched)} columns: {some(table.genes)}",
            expected="names or ids of genes as the counts have them; in AnnData, ids may be in "
            "`var['gene_ids']`",
            remedy="rename the genes, and check that spots are rows and genes columns",
        )
    if twice := [gene for gene, n in Counter(known).items() if n > 1]:
        found = f"{len(twice)} genes in two columns: {some(sorted(twice))}"
        yield Problem(where, found, "each gene once", "leave one of the two out")


def _spot_problems(
    where: str, table: ValueTable, fit: _SpotFit, section: Section
) -> Iterator[Problem]:
    known = [spot for spot in fit.rows if spot is not None]
    if not known:
        why = f" ({fit.matched_by})" if fit.matched_by else ""
        yield Problem(
            where=where,
            found=f"no spot of the section among {len(fit.rows)} rows: {some(table.spots)}{why}",
            expected=f"names like {some(section.spots.ids)}, or centres in px of the "
            "full-resolution image (`obsm['spatial']`, or columns x and y)",
            remedy="name the spots as the cohort does, and check that this is the right section",
        )
    if twice := [section.spots.ids[spot] for spot, n in Counter(known).items() if n > 1]:
        found = f"{len(twice)} spots in two rows: {some(sorted(twice))}"
        yield Problem(where, found, "each spot once", "leave one of the two out")


def _unknown_section(where: str, section: str, cohort: Cohort) -> Problem:
    if not section:
        return Problem(
            where=where,
            found="nothing says which section this is",
            expected="a column `section`, a file named after the section, or both in Python: "
            "{section: prediction}",
            remedy=f"rename it to one of {some(cohort.ids)}, or add the column; --section-column "
            "names another one",
        )
    near = get_close_matches(section, cohort.ids, n=3)
    return Problem(
        where=where,
        found=f"no section {section!r} in the cohort",
        expected=f"one of {some(cohort.ids)}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "rename it, or leave it out",
    )
