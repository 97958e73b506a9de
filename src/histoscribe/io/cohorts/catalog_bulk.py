"""Bulk expression of the catalog: tumours with consensus molecular subtypes."""

from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_table import patient_of_sample, read_bulk_table
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.catalog_records import BULK, data_folders, find_file, missing_files
from histoscribe.io.cohorts.patient_labels import DAYS, DEATH, PatientLabels
from histoscribe.io.gene_sets import CATALOG
from histoscribe.io.sections.delimited import read_frame
from histoscribe.types import BulkTable

_MSI = {"MSIH": "MSI-H", "MSIL": "MSS or MSI-L", "MSS": "MSS or MSI-L"}
"""Tumours of low instability count as stable, as in clinics; an unclear status is no label."""
_LAST_CONTACT = ["days_to_last_followup", "dayst_to_last_known_aliwe"]


@dataclass(frozen=True, eq=False)
class CatalogBulk:
    """Bulk expression of a data set, with what is known of its patients."""

    table: BulkTable
    symbols: tuple[str, ...]
    """Symbol of each gene of the table."""
    labels: PatientLabels
    templates: Path
    """Template genes of its subtypes."""
    files: tuple[Path, ...]
    """What was read, for its hash."""
    notes: tuple[str, ...]


def read_catalog_bulk(source: str) -> CatalogBulk:
    """Read `catalog:NAME` of bulk expression below `$HISTOSCRIBE_DATA` or among the downloads.

    Raises
    ------
    DataContractError
        for an unknown name, one that is no bulk expression, and files that are missing or broken.
    """
    entry = data_set(source.removeprefix(CATALOG))
    if entry.kind != BULK:
        raise DataContractError(
            Problem(source, entry.title, "bulk expression", "e.g. catalog:tcga-crc")
        )
    roots, section = data_folders(entry), entry.sections[0]
    if problems := missing_files(roots, entry, section):
        raise DataContractError(problems)
    paths = [path for file in section.files if (path := find_file(roots, file))]
    expression, features, pheno, templates = paths
    table, notes = read_bulk_table(expression, "counts")
    names = read_frame(features, words=True)
    symbols = dict(zip(names["entrez"], names["symbol"], strict=True))
    return CatalogBulk(
        table=table,
        symbols=tuple(symbols[gene] for gene in table.genes),
        labels=_labels(pheno),
        templates=templates,
        files=tuple(paths),
        notes=notes,
    )


def _labels(path: Path) -> PatientLabels:
    frame = read_frame(path, words=True)
    deaths = list(frame["days_to_death"])
    contacts = [max(cells, key=_number) for cells in frame[_LAST_CONTACT].itertuples(index=False)]
    columns = {
        "CMS": tuple(frame["CMS.Syn"]),
        "MSI": tuple(_MSI.get(status, "") for status in frame["MSI"]),
        DAYS: tuple(death or contact for death, contact in zip(deaths, contacts, strict=True)),
        DEATH: tuple("1" if death else "0" for death in deaths),
    }
    samples = frame.iloc[:, 0]
    return PatientLabels(tuple(patient_of_sample(name) for name in samples), columns)


def _number(cell: str) -> float:
    return float(cell) if cell else -1.0
