"""Measured values of one gene: of spots, or of patients as a bag model learned them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.data.bag_groups import patient_bags
from histoscribe.data.bulk_target import block_values, bulk_values
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.levels.spots import patient_of, sections_by_patient
from histoscribe.io.cohorts.bulk_table import read_bulk_table
from histoscribe.types import BulkUnit, Cohort, CohortEntry, Section

_UNITS: dict[str, BulkUnit] = {f"bulk {unit}": unit for unit in ("counts", "tpm", "fpkm", "log")}


def reads_bulk(target: Target) -> bool:
    """Whether the values of a target are of a table of bulk expression."""
    return target.samples in _UNITS


def measured_problems(
    target: Target, sections: Sequence[Section], bulk: str | None
) -> Iterator[Problem]:
    """Name sections or patients without measured values, with the reason."""
    if reads_bulk(target):
        if bulk is None:
            yield Problem(
                where="explain levels",
                found=f"no bulk table, and the predictor was trained on {target.samples}",
                expected="the measured values of the patients",
                remedy="give the table with --bulk, or ask for levels of predictions: "
                "--by predicted",
            )
        return
    if without := [section.id for section in sections if section.counts is None]:
        yield Problem(
            where=f"section {', '.join(without)}",
            found="no counts",
            expected="measured values, which make the levels",
            remedy="leave them out with --section, or ask for levels of predictions: "
            "--by predicted",
        )


def spot_labels(target: Target, sections: Sequence[Section], gene: int) -> Float[np.ndarray, " N"]:
    """Measured value of every spot, section by section, in the order of the patients.

    NaN in a section that lacks the gene.
    """
    places = [place for group in sections_by_patient(sections).values() for place in group]
    values = [target.apply(sections[place])[:, gene] for place in places]
    return np.concatenate(values).astype(np.float64)


def patient_labels(
    target: Target, sections: Sequence[Section], gene: int, bulk: str | None
) -> Float[np.ndarray, " P"]:
    """Measured value of each patient, in the sorted order of the patients.

    From the bulk table of a predictor of bulk expression; else from the counts of the sections,
    as the bags of its training were made from spots.

    Raises
    ------
    DataContractError
        for a table that cannot be read, or lacks patients or genes of the panel.
    """
    groups = sections_by_patient(sections)
    if reads_bulk(target):
        return _bulk_labels(target, tuple(groups), gene, Path(str(bulk)))
    if target.samples:
        cohort = Cohort([_entry(section) for section in sections])
        bags = patient_bags(cohort, {s.id: np.arange(len(s.spots)) for s in sections}, {})
        values = dict(
            zip(
                [bag.patient for bag in bags],
                block_values(cohort, bags, target).target[:, gene],
                strict=True,
            )
        )
        return np.array([values[name] for name in groups], dtype=np.float64)
    means = [
        np.concatenate([target.apply(sections[place])[:, gene] for place in places]).mean()
        for places in groups.values()
    ]
    return np.array(means, dtype=np.float64)


def _bulk_labels(
    target: Target, patients: tuple[str, ...], gene: int, path: Path
) -> Float[np.ndarray, " P"]:
    table, _ = read_bulk_table(path, _UNITS[target.samples])
    lacking = (
        ("patients", [name for name in patients if name not in table.patients], "cohort"),
        ("genes", [name for name in target.genes if name not in table.genes], "panel"),
    )
    problems = [
        Problem(
            where=str(path),
            found=f"no {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}",
            expected=f"all {what} of the {whose}",
            remedy="give the complete table, or leave out sections with --section",
        )
        for what, names, whose in lacking
        if names
    ]
    if problems:
        raise DataContractError(problems)
    return bulk_values(table.take(patients), target).target[:, gene].astype(np.float64)


def _entry(section: Section) -> CohortEntry:
    return CohortEntry(section.id, patient_of(section), lambda: section)
