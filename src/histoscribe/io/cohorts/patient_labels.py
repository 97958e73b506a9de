"""Labels of patients, such as molecular subtypes, and their survival, from a table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_table import patient_of_sample
from histoscribe.io.sections.delimited import read_frame

PATIENT, DAYS, DEATH = "patient", "days", "death"
_NONE = ("", "NA", "N/A", "NaN", "nan", "None", "null", "NULL")
"""Spellings of no label."""
_SOME = 3
_REMEDY = "correct the table"


@dataclass(frozen=True, eq=False)
class PatientLabels:
    """Columns of text about patients; an empty cell is an unknown one.

    Raises
    ------
    DataContractError
        for a patient in two lines.
    """

    patients: tuple[str, ...]
    """Each once."""
    columns: Mapping[str, tuple[str, ...]]
    """Name -> cell of each patient, e.g. its subtype. `days` (to death or to the last contact) and
    `death` (1 or 0) are the survival.
    """
    where: str = "labels"
    """File or catalog entry, for messages."""

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(self.patients).items() if n > 1]
        if twice:
            found = f"{len(twice)} patients in several lines: {', '.join(twice[:_SOME])}"
            raise DataContractError(Problem(self.where, found, "a line a patient", _REMEDY))

    @property
    def names(self) -> tuple[str, ...]:
        """Label columns, without the survival columns."""
        return tuple(name for name in self.columns if name not in (DAYS, DEATH))

    @property
    def has_survival(self) -> bool:
        """Whether days and deaths are known of anybody."""
        return DAYS in self.columns and DEATH in self.columns

    def of(self, column: str, patients: Sequence[str]) -> tuple[str, ...]:
        """Cells of these patients; empty for a patient that the table lacks.

        Raises DataContractError for an unknown column, with the near names.
        """
        if column not in self.columns:
            near = get_close_matches(column, self.names, n=2, cutoff=0.5)
            raise DataContractError(
                Problem(
                    where=self.where,
                    found=f"no column {column} of labels",
                    expected=f"one of {', '.join(self.names)}",
                    remedy=f"did you mean {' or '.join(near)}?" if near else "choose one of these",
                )
            )
        cells = dict(zip(self.patients, self.columns[column], strict=True))
        return tuple(cells.get(patient, "") for patient in patients)

    def survival(self, patients: Sequence[str]) -> Float[np.ndarray, "N 2"]:
        """Days, and 1 for a death or 0 for the last contact; both NaN where one is unknown.

        Raises DataContractError for days that are no number from 0, and deaths other than 0 and 1.
        """
        days, deaths = self.of(DAYS, patients), self.of(DEATH, patients)
        numbers = pd.to_numeric(pd.Series([*days, *deaths], dtype=object), errors="coerce")
        values = numbers.to_numpy(dtype=np.float64).reshape(2, -1).T
        if problems := [*self._survival_problems(days, deaths, values)]:
            raise DataContractError(problems)
        values[np.isnan(values).any(axis=1)] = np.nan
        return values

    def _survival_problems(
        self, days: Sequence[str], deaths: Sequence[str], values: Float[np.ndarray, "N 2"]
    ) -> Iterator[Problem]:
        wrong = [
            text for text, day in zip(days, values[:, 0], strict=True) if text and not day >= 0
        ]
        if wrong:
            found = f"{len(wrong)} cells of {DAYS} like {wrong[0]!r}"
            yield Problem(self.where, found, "days from 0, or an empty cell", _REMEDY)
        odd = [
            text
            for text, death in zip(deaths, values[:, 1], strict=True)
            if text and death not in (0.0, 1.0)
        ]
        if odd:
            found = f"{len(odd)} cells of {DEATH} like {odd[0]!r}"
            yield Problem(self.where, found, "1 for a death, 0 for none", _REMEDY)


def read_patient_labels(path: Path) -> PatientLabels:
    """Read a table with a column `patient` and others (CSV or TSV).

    Samples named by TCGA barcodes get their patient's barcode.

    Raises
    ------
    DataContractError
        for a file that is no table, one without the column `patient` or without another one, and a
        patient in two lines.
    """
    frame = read_frame(path, words=True)
    names = [name for name in frame.columns if name != PATIENT]
    if PATIENT not in frame.columns or not names:
        found = f"columns {', '.join(frame.columns)}"
        expected = f"a column {PATIENT} and one for each label"
        raise DataContractError(Problem(f"labels {path}", found, expected, "name the columns"))
    columns = {
        name: tuple("" if c.strip() in _NONE else c.strip() for c in frame[name]) for name in names
    }
    patients = tuple(patient_of_sample(name.strip()) for name in frame[PATIENT])
    return PatientLabels(patients, columns, f"labels {path}")
