"""Patients with bulk expression and labels: from a table, the catalog or the counts of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.subtypes.panel import GeneNames
from histoscribe.explain.subtypes.question import SubtypesQuestionSettings
from histoscribe.explain.subtypes.templates import Templates, read_templates
from histoscribe.io.cohorts.bulk_table import read_bulk_table
from histoscribe.io.cohorts.catalog_bulk import read_catalog_bulk
from histoscribe.io.cohorts.patient_labels import PatientLabels, read_patient_labels
from histoscribe.io.gene_sets import CATALOG
from histoscribe.types import BulkTable, Cohort

COUNTS_OF_COHORT = "counts of all spots of a patient"
_SCALE = 1e4  # as cp10k-log1p, the scale of spots


@dataclass(frozen=True, eq=False)
class BulkPatients:
    """Measured expression of whole patients, and what else is known of them."""

    names: tuple[str, ...]
    """Patients, sorted."""
    genes: GeneNames
    measured: Float[np.ndarray, "N A"]
    """Log of 1 + counts per 10,000; logged tables as they are."""
    labels: PatientLabels
    templates: Templates | None
    source: Mapping[str, str]
    """Origin of expression, labels and templates, with the hash of each file."""
    notes: tuple[str, ...]
    """What was left out."""
    is_catalog: bool = False


def read_patients(request: ExplainRequest, settings: SubtypesQuestionSettings) -> BulkPatients:
    """Read expression and labels of all patients that have both.

    Raises
    ------
    DataContractError
        for files that cannot be read, values that contradict the unit, neither a table nor a
        cohort, and labels of other patients.
    """
    templates = read_templates(settings.templates) if settings.templates else None
    source = {"templates": _hashed(settings.templates)} if settings.templates else {}
    if request.bulk is not None and request.bulk.startswith(CATALOG):
        return _of_catalog(request.bulk, settings, templates, source)
    if request.bulk is None:
        table, symbols, source["bulk"] = _of_cohort(request.cohort)
        notes: tuple[str, ...] = ()
    else:
        path = Path(request.bulk)
        table, notes = read_bulk_table(path, settings.unit, "unit")
        symbols, source["bulk"] = table.genes, f"{_hashed(path)}, {settings.unit}"
    labels = _labels(request.cohort, settings)
    source["labels"] = _hashed(settings.labels) if settings.labels else "facts of the cohort"
    return _joined(table, symbols, labels, (templates, source, notes))


def _of_catalog(
    name: str,
    settings: SubtypesQuestionSettings,
    templates: Templates | None,
    source: Mapping[str, str],
) -> BulkPatients:
    of = read_catalog_bulk(name)
    labels = of.labels if settings.labels is None else read_patient_labels(settings.labels)
    known = {
        "bulk": f"{name}, {' '.join(_hashed(path) for path in of.files)}",
        "labels": name if settings.labels is None else _hashed(settings.labels),
    }
    brought = read_templates(of.templates) if templates is None else templates
    joined = _joined(of.table, of.symbols, labels, (brought, {**known, **source}, of.notes))
    return BulkPatients(**{**vars(joined), "is_catalog": settings.labels is None})


def _of_cohort(cohort: Cohort) -> tuple[BulkTable, tuple[str, ...], str]:
    """Counts summed over all spots of a patient; genes that every section lists."""
    if not cohort.ids:
        raise DataContractError(
            Problem(
                where="explain subtypes",
                found="neither a bulk table nor a cohort",
                expected="measured expression of patients",
                remedy="give --bulk TABLE, --bulk catalog:tcga-crc, or a cohort with counts",
            )
        )
    sections = [cohort[name] for name in cohort.ids]
    shared = set.intersection(*(set(section.measured.gene_ids) for section in sections))
    first = sections[0].measured
    kept = [at for at, gene in enumerate(first.gene_ids) if gene in shared]
    genes = tuple(first.gene_ids[at] for at in kept)
    symbols = tuple(first.gene_names[at] for at in kept)
    patients = tuple(sorted({str(section.patient) for section in sections}))
    values = np.zeros((len(patients), len(genes)))
    for section in sections:
        place = {gene: at for at, gene in enumerate(section.measured.gene_ids)}
        total = section.measured.gene_total[[place[gene] for gene in genes]]
        values[patients.index(str(section.patient))] += total
    table = BulkTable(patients=patients, genes=genes, values=values, unit="counts")
    hashed = sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return table, symbols, f"{COUNTS_OF_COHORT}, sha256:{hashed}"


def _labels(cohort: Cohort, settings: SubtypesQuestionSettings) -> PatientLabels:
    if settings.labels is not None:
        return read_patient_labels(settings.labels)
    facts: dict[str, dict[str, str]] = {}
    for section, patient in cohort.patients.items():
        facts.setdefault(str(patient), {}).update(cohort.facts[section])
    names = sorted({name for of in facts.values() for name in of})
    if not names:
        raise DataContractError(
            Problem(
                where="explain subtypes",
                found="no labels",
                expected="a subtype of each patient",
                remedy="give --labels FILE, or a cohort whose manifest has a column for it",
            )
        )
    patients = tuple(sorted(facts))
    columns = {name: tuple(facts[patient].get(name, "") for patient in patients) for name in names}
    return PatientLabels(patients, columns, "facts of the cohort")


def _joined(
    table: BulkTable,
    symbols: tuple[str, ...],
    labels: PatientLabels,
    rest: tuple[Templates | None, Mapping[str, str], tuple[str, ...]],
) -> BulkPatients:
    templates, source, notes = rest
    both = tuple(sorted(set(table.patients) & set(labels.patients)))
    if not both:
        raise DataContractError(
            Problem(
                where=labels.where,
                found=f"no patient of the bulk table: labels of {_some(labels.patients)}, "
                f"expression of {_some(table.patients)}",
                expected="the same names in both",
                remedy="rename the patients in one of them",
            )
        )
    for what, others in (("label", table.patients), ("expression", labels.patients)):
        if without := sorted(set(others) - set(both)):
            notes = (*notes, f"left out, {len(without)} patients without {what}: {_some(without)}")
    return BulkPatients(
        names=both,
        genes=GeneNames(table.genes, symbols),
        measured=_logged(table.take(both)),
        labels=labels,
        templates=templates,
        source=source,
        notes=notes,
    )


def _logged(table: BulkTable) -> Float[np.ndarray, "N A"]:
    if table.unit == "log":
        return table.values
    total = table.values.sum(axis=1, keepdims=True)
    return np.log1p(_SCALE * table.values / np.where(total > 0, total, 1.0))


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _hashed(path: Path) -> str:
    return f"{path.name} sha256:{sha256(path.read_bytes()).hexdigest()}"
