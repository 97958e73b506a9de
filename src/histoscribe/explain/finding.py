"""What every explanation returns: figure, table, numbers, the same numbers by chance, caveats."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histoscribe.display import notes_html, picture_html, result_html, table_html
from histoscribe.io.atomic import write_json
from histoscribe.io.slides.thumbnail import thumbnail_jpegs

FINDING_FILE = "finding.json"
_PICTURE_PX = 800
"""Longer side of the figure in a notebook."""
_ABOUT = ("section", "sections", "gene", "unit")
"""What a notebook says first of a question."""


@dataclass(frozen=True)
class Number:
    """Named number with its meaning in words."""

    name: str
    value: float
    """NaN where it is undefined."""
    meaning: str
    low: float | None = None
    """2.5th percentile over random draws; None where nothing was drawn."""
    high: float | None = None
    """97.5th percentile."""

    @classmethod
    def of_draws(cls, name: str, draws: np.ndarray, meaning: str) -> "Number":
        """Mean over draws, with the range of the middle 95 %."""
        if np.isnan(draws).any():
            return cls(name, float("nan"), meaning)
        low, high = np.percentile(draws, [2.5, 97.5])
        return cls(name, float(draws.mean()), meaning, float(low), float(high))

    def to_json(self) -> dict[str, Any]:
        """As plain values; undefined is null."""
        known = {"value": self.value, "low": self.low, "high": self.high}
        rounded = {
            name: None if np.isnan(value) else float(f"{value:.6g}")
            for name, value in known.items()
            if value is not None
        }
        return {"name": self.name, "meaning": self.meaning, **rounded}

    def __str__(self) -> str:
        """Name, value and range, as the command line prints them."""
        n = _decimals([self.value, self.low, self.high])
        span = "" if self.low is None else f" ({self.low:.{n}f} to {self.high:.{n}f})"
        return f"{self.name} {'undefined' if np.isnan(self.value) else f'{self.value:.{n}f}'}{span}"


def defined_mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the defined values; NaN without any.

    >>> defined_mean([1.0, float("nan"), 3.0])
    2.0
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True)
class PredictorOrigin:
    """Identity of a predictor and its benchmark, for a finding."""

    row: str
    """Name of its row in the tables of a benchmark."""
    hash: str
    folds_sha256: str | None
    """Hash of the folds of its benchmark; None if it stores none."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Finding:
    """The answer to one question."""

    question: str
    about: Mapping[str, str]
    """What the answer is about: predictor, sections, gene and so on."""
    folder: Path
    """Folder of figures, tables and `finding.json`; a temporary one goes with this finding."""
    figures: tuple[str, ...]
    """Names of files in `folder`, the main one first."""
    tables: tuple[str, ...]
    """Names of files in `folder`, the main one first."""
    statistic: tuple[Number, ...]
    null: tuple[Number, ...]
    """What to compare the statistic with: its value by chance, under the same name, and other
    values of the same measure."""
    caveat: tuple[str, ...]
    """What the answer does not show."""
    files: tuple[str, ...] = ()
    """Names of further files in `folder`."""
    predictors: tuple[PredictorOrigin, ...] = ()
    """Each predictor that the question was put to."""

    def __repr__(self) -> str:
        numbers = "; ".join(map(str, self.statistic))
        return f"Finding({self.question!r} in {self.folder}: {numbers})"

    def _repr_html_(self) -> str:
        """Show the main figure, the numbers beside those by chance, and the caveats."""
        by = ", ".join(f"{origin.row}@{origin.hash[:12]}" for origin in self.predictors)
        facts = [("by", by), *((name, self.about[name]) for name in _ABOUT if name in self.about)]
        chance = {number.name: number for number in self.null}
        rows = [
            (number.name, number.value, _range(chance.get(number.name)), number.meaning)
            for number in self.statistic
        ]
        (picture,) = thumbnail_jpegs(self.folder / self.figure, [_PICTURE_PX])
        return result_html(
            f"Finding: {self.question}",
            facts,
            table_html(("number", "value", "by chance", "meaning"), rows),
            picture_html(picture, "image/jpeg", f"{self.question}: {self.figure}"),
            notes_html((*self.caveat, f"Files: {self.folder}")),
        )

    @property
    def figure(self) -> str:
        """Name of the main figure."""
        return self.figures[0]

    @property
    def table(self) -> str:
        """Name of the main table."""
        return self.tables[0]

    def number(self, name: str) -> Number:
        """A number of the answer.

        Raises KeyError that lists the numbers for an unknown name.
        """
        return _named(self.statistic, name)

    def chance(self, name: str) -> Number:
        """The same number by chance; raises KeyError as `number` does."""
        return _named(self.null, name)

    def write(self) -> Path:
        """Write it as `finding.json`, after its figures and tables."""
        path = self.folder / FINDING_FILE
        content = {
            "question": self.question,
            "about": dict(self.about),
            "predictors": [asdict(origin) for origin in self.predictors],
            "figures": list(self.figures),
            "tables": list(self.tables),
            "files": list(self.files),
            "statistic": [number.to_json() for number in self.statistic],
            "null": [number.to_json() for number in self.null],
            "caveat": list(self.caveat),
        }
        write_json(path, content)
        return path


def _decimals(values: Sequence[float | None]) -> int:
    """Three, or as many as two digits of the largest value need: small ones stay different.

    >>> _decimals([0.25, 0.01]), _decimals([0.0021, 0.0017])
    (3, 4)
    """
    known = [abs(value) for value in values if value is not None and np.isfinite(value)]
    largest = max(known, default=0.0)
    return 3 if largest == 0 else max(3, 1 - int(np.floor(np.log10(largest))))


def _range(number: Number | None) -> str:
    """A number by chance, with its range; empty without one."""
    return "" if number is None else str(number).removeprefix(f"{number.name} ")


def _named(numbers: Sequence[Number], name: str) -> Number:
    for number in numbers:
        if number.name == name:
            return number
    raise KeyError(f"no number {name}; there are {', '.join(number.name for number in numbers)}")
