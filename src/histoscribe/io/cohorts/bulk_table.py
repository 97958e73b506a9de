"""Tables of bulk expression: genes x patients, in a unit that is checked against the numbers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_slides import SlideSource
from histoscribe.io.files import read_bytes
from histoscribe.io.sections.gene_ids import plain_id
from histoscribe.io.sections.matrix_features import is_summary
from histoscribe.io.sections.table import broken
from histoscribe.types import BulkTable, BulkUnit

MILLION = 1e6
_TOLERANCE = 0.01  # of a sum of a million: tables are rounded, and a few genes may be left out
_MOST_LOGGED = 50.0  # log2 of 1e15: no logged value is larger
_MOST_FPKM = 100.0  # a table in FPKM has genes in the thousands, a logged one stays far below
_TUMOUR = range(1, 10)  # types of a TCGA sample; 10 to 19 are normal tissue
_SOME = 3
_EXPECTED = {
    "counts": "raw counts: whole numbers >= 0",
    "tpm": "values >= 0, with a sum of 1,000,000 in each patient",
    "fpkm": "values >= 0 that are not logged",
    "log": "logged values: finite, and below 50",
}


def read_bulk_table(
    path: Path, unit: BulkUnit, setting: str = "bulk.unit"
) -> tuple[BulkTable, tuple[str, ...]]:
    """Read a table of genes x patients (CSV or TSV, also gzipped).

    The first column holds gene ids, the first line the patients. Ensembl versions are removed.
    Samples named by TCGA barcodes get their patient's barcode; samples of normal tissue are left
    out. `setting` is where the user gave the unit, for messages.

    Returns
    -------
    The table, and notes on what was left out.

    Raises
    ------
    DataContractError
        listing repeated genes and patients, cells that are no numbers, and values that cannot be
        in the given unit, with what was found instead.
    """
    frame = _frame(path)
    genes = [plain_id(str(gene)) for gene in frame.index]
    columns, patients, notes = _patients([str(name) for name in frame.columns])
    numbers = frame.iloc[:, columns].apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64).T
    problems = [*_repeated(path, "gene", genes), *_repeated(path, "patient", patients)]
    if without := [gene for gene in genes if is_summary(gene)]:
        found = f"lines that are no genes, but would count in every total: {', '.join(without)}"
        problems.append(Problem(str(path), found, "lines of genes only", "remove these lines"))
    if not columns or not genes:
        problems.append(_problem(path, "no patient or no gene", "a table of genes x patients"))
    elif not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        n_wrong = int((~np.isfinite(values)).sum())
        found = f"{n_wrong} cells that are no numbers, the first of patient {patients[row]}, gene "
        problems.append(_problem(path, found + genes[column], "a number in every cell"))
    else:
        problems += _unit_problems(path, values, patients, (unit, setting))
    if problems:
        raise DataContractError(problems)
    return BulkTable(patients=tuple(patients), genes=tuple(genes), values=values, unit=unit), notes


def matched(
    sources: Sequence[SlideSource], table: BulkTable, path: Path
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Patients with both slides and expression, sorted, and notes that list the others.

    Raises
    ------
    DataContractError
        if no patient has both; the message shows three names of each.
    """
    of_slides = sorted({of.patient for of in sources})
    both = sorted(set(of_slides) & set(table.patients))
    if not both:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"no patient with a slide among its patients {_some(table.patients)}; "
                f"the patients of the slides are {_some(of_slides)}",
                expected="the same names in the table and in the column `patient` of the manifest",
                remedy="rename the patients in one of them",
            )
        )
    without = {
        "without a slide": sorted(set(table.patients) - set(both)),
        "without expression": sorted(set(of_slides) - set(both)),
    }
    notes = tuple(
        f"left out, {len(names)} patients {what}: {', '.join(names)}"
        for what, names in without.items()
        if names
    )
    return tuple(both), notes


def _frame(path: Path) -> pd.DataFrame:
    try:
        raw = read_bytes(path)
    except OSError as error:
        raise broken(path, str(error.strerror or error).lower(), "a table of expression") from None
    first = raw.partition(b"\n")[0]
    separator = "\t" if first.count(b"\t") >= first.count(b",") else ","
    try:
        # a repeated patient must stay visible: pandas would rename it in a header
        frame = pd.read_csv(BytesIO(raw), sep=separator, header=None, index_col=0, dtype=object)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise broken(path, f"no table ({error})", "lines of equal length below a header") from error
    body = frame.iloc[1:]
    body.columns = frame.iloc[0]
    return body


def patient_of_sample(name: str) -> str:
    """Patient of a sample named by a TCGA barcode; any other name is a patient.

    >>> patient_of_sample("TCGA-AA-3516-01A-02R"), patient_of_sample("P-01-a-b")
    ('TCGA-AA-3516', 'P-01-a-b')
    """
    parts = name.split("-")
    return "-".join(parts[:3]) if parts[0] == "TCGA" else name


def _patients(names: Sequence[str]) -> tuple[list[int], list[str], tuple[str, ...]]:
    """Columns to take, the patient of each, and notes; TCGA samples are named by their patient."""
    columns, patients, normal = [], [], []
    for column, name in enumerate(names):
        parts = name.split("-")
        if parts[0] != "TCGA" or len(parts) < 4:
            columns.append(column)
            patients.append(name)
        elif parts[3][:2].isdigit() and int(parts[3][:2]) in _TUMOUR:
            columns.append(column)
            patients.append(patient_of_sample(name))
        else:
            normal.append(name)
    note = f"left out, {len(normal)} samples that are no tumour: {', '.join(normal)}"
    return columns, patients, (note,) if normal else ()


def _unit_problems(
    path: Path, values: Float[np.ndarray, "M A"], patients: Sequence[str], of: tuple[BulkUnit, str]
) -> Iterator[Problem]:
    unit, setting = of
    for found, looks_like in _contradictions(values, patients, unit):
        remedy = f'set {setting} = "{looks_like}"' if looks_like else "correct the table"
        yield Problem(str(path), found, f"unit {unit}: {_EXPECTED[unit]}", remedy)


def _contradictions(
    values: Float[np.ndarray, "M A"], patients: Sequence[str], unit: BulkUnit
) -> Iterator[tuple[str, BulkUnit | None]]:
    """Contradictions to the unit, each with the unit that the values resemble."""
    high, sums = float(values.max()), values.sum(axis=1)
    whole = bool(np.array_equal(values, np.rint(values)))
    millions = np.abs(sums - MILLION) <= _TOLERANCE * MILLION
    like: BulkUnit | None = "tpm" if millions.all() else "log" if high <= _MOST_LOGGED else "fpkm"
    if unit == "log":
        if high > _MOST_LOGGED:
            yield f"values up to {high:g}, which are not logged", "counts" if whole else like
        return
    if values.min() < 0:
        n_negative = int((values < 0).sum())
        yield f"{n_negative} negative values, down to {values.min():g}", _logged(high)
    elif unit == "counts" and not whole:
        value = values[values != np.rint(values)][0]
        kind = "logged values" if high <= _MOST_LOGGED else "fractions"
        yield f"{kind}, e.g. {value:g}; the highest is {high:g}", like
    elif unit == "tpm" and not millions.all():
        worst = int(np.abs(sums - MILLION).argmax())
        where = f"the sum of patient {patients[worst]} is {sums[worst]:,.6g}"
        n_wrong = int((~millions).sum())
        yield (
            f"{n_wrong} of {len(sums)} sums are not 1,000,000: {where}",
            _not_tpm(high, whole=whole),
        )
    elif unit == "fpkm" and high <= _MOST_FPKM:
        yield f"values of at most {high:g}, which seem to be logged", "log"
    elif unit == "fpkm" and millions.all():
        yield "sums of 1,000,000 in every patient", "tpm"


def _logged(high: float) -> BulkUnit | None:
    return "log" if high <= _MOST_LOGGED else None


def _not_tpm(high: float, *, whole: bool) -> BulkUnit | None:
    if whole:
        return "counts"
    return "log" if high <= _MOST_LOGGED else "fpkm"


def _repeated(path: Path, what: str, names: Sequence[str]) -> Iterator[Problem]:
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        yield _problem(path, f"{len(twice)} {what}s repeat: {', '.join(twice[:5])}", "each once")


def _problem(path: Path, found: str, expected: str) -> Problem:
    return Problem(str(path), found, expected, "correct the table, or export it again")


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more
