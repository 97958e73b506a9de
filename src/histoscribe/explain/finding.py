"""What every explanation returns: a figure, a table, numbers, what chance gives, and a caveat."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histoscribe.io.atomic import write_json

FINDING_FILE = "finding.json"


@dataclass(frozen=True)
class Number:
    """A number, and what it says in words."""

    name: str
    value: float
    """NaN where it is undefined."""
    says: str
    low: float | None = None
    """2.5th percentile over draws, where there were any."""
    high: float | None = None
    """97.5th percentile."""

    @classmethod
    def of_draws(cls, name: str, draws: np.ndarray, says: str) -> "Number":
        """The mean over draws, with the range of 95 of 100."""
        if np.isnan(draws).any():
            return cls(name, float("nan"), says)
        low, high = np.percentile(draws, [2.5, 97.5])
        return cls(name, float(draws.mean()), says, float(low), float(high))

    def to_json(self) -> dict[str, Any]:
        """As plain values; undefined is null."""
        known = {"value": self.value, "low": self.low, "high": self.high}
        rounded = {
            name: None if np.isnan(value) else float(f"{value:.6g}")
            for name, value in known.items()
            if value is not None
        }
        return {"name": self.name, "says": self.says, **rounded}

    def __str__(self) -> str:
        """As the command line says it."""
        span = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.name} {'undefined' if np.isnan(self.value) else f'{self.value:.3f}'}{span}"


@dataclass(frozen=True, eq=False)
class Finding:
    """The answer to one question about one predictor."""

    question: str
    about: Mapping[str, str]
    """What was asked, as resolved: predictor, sections, gene."""
    figure: str
    """File beside this finding."""
    table: str
    """File beside this finding."""
    statistic: tuple[Number, ...]
    null: tuple[Number, ...]
    """What to hold the statistic against: what chance gives, under the same name, and what else
    the same measure gives."""
    caveat: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write it as `finding.json`, after its figure and table."""
        path = folder / FINDING_FILE
        content = {
            "question": self.question,
            "about": dict(self.about),
            "figure": self.figure,
            "table": self.table,
            "statistic": [number.to_json() for number in self.statistic],
            "null": [number.to_json() for number in self.null],
            "caveat": list(self.caveat),
        }
        write_json(path, content)
        return path
