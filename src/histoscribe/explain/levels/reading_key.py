"""The key of a reading sheet: what each tile is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from histoscribe.errors import DataContractError, Problem

ANSWERS: Mapping[int, str] = {
    1: "surely low",
    2: "rather low",
    3: "cannot tell",
    4: "rather high",
    5: "surely high",
}
"""Answers of a reader, by the number in the form."""


@final
@dataclass(frozen=True)
class KeyTile:
    """One tile of a sheet."""

    high: bool
    """Of the two highest levels; else of the two lowest."""
    patient: str
    section: str
    spot: str
    measured: float
    predicted: float
    """The model's prediction for the tile; of a bag model for the tile as a bag of its own."""


@final
@dataclass(frozen=True)
class ReadingKey:
    """Identity of a sheet, and its tiles in order."""

    sheet: str
    """Sha256 of the tiles in their order; the form has its first letters."""
    page_sha256: str
    """Of the page that readers got."""
    predictor: str
    gene: str
    of_patients: bool
    """Whether a patient has one value, and so all of its tiles are high or all are low."""
    tiles: tuple[KeyTile, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def read_key(path: Path) -> ReadingKey:
    """Read the key of a sheet.

    Raises DataContractError for a file that is no key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tiles = tuple(KeyTile(**tile) for tile in content.pop("tiles"))
        return ReadingKey(**content, tiles=tiles)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no key of a reading sheet"
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"cannot be read: {why}",
                expected="key.json, as `explain levels --sheet` wrote it",
                remedy="give the key that was written with the sheet",
            )
        ) from None
