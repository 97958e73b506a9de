"""Stated claims: which gene is low or high in which class, written down before the data were seen.

A file of claims is frozen: its first line holds the sha256 of the lines below, so that a claim
cannot follow the data without a trace.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast, get_args

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_text

Sign = Literal["low", "high"]
PUBLISHED_CLAIMS = ("crc-talk",)
"""Names of the files of claims that come with the package."""
_FOLDER = Path(__file__).parent / "files"
_HEADER = ["gene", "class", "sign", "source"]
_FROZEN = "# sha256:"
_EXPECTED = f"a line `{_FROZEN}` with the hash of the lines below, and a CSV table of " + ", ".join(
    _HEADER
)


@dataclass(frozen=True)
class Claim:
    """Gene stated to be low or high in one class."""

    gene: str
    subtype: str
    sign: Sign
    source: str
    """Who said it."""

    @property
    def shape(self) -> str:
        """Shape of the function of the gene, if the claim is right."""
        return "falling" if self.sign == "low" else "rising"

    def __str__(self) -> str:
        """The claim in words."""
        return f"{self.gene} {self.sign} in {self.subtype}"


@dataclass(frozen=True)
class Claims:
    """Claims of one file."""

    items: tuple[Claim, ...] = ()
    sha256: str = ""
    """Hash by which the file was frozen."""


def read_claims(source: str) -> Claims:
    """Read a file of claims, or one of `PUBLISHED_CLAIMS`.

    Raises
    ------
    DataContractError
        for a file that is not frozen or was edited afterwards, and lines that are no claim.
    """
    path = _FOLDER / f"{source}.csv" if source in PUBLISHED_CLAIMS else Path(source)
    first, _, body = read_text(path, _EXPECTED).replace("\r\n", "\n").partition("\n")
    written = sha256(body.encode()).hexdigest()
    if not first.startswith(_FROZEN):
        text = read_text(path).replace("\r\n", "\n")
        line = f"{_FROZEN} {sha256(text.encode()).hexdigest()}"
        raise DataContractError(_problem(path, "it is not frozen", f"add the first line `{line}`"))
    if first.removeprefix(_FROZEN).strip() != written:
        found = "the hypotheses were edited after they were frozen: the lines have another sha256"
        remedy = "restore the file; new claims go into a new file, before the data are looked at"
        raise DataContractError(_problem(path, found, remedy))
    rows = list(csv.reader(body.splitlines()))
    if problems := [*_row_problems(path, rows)]:
        raise DataContractError(problems)
    return Claims(tuple(_claim(row) for row in rows[1:] if row), written)


def _claim(row: list[str]) -> Claim:
    gene, subtype, sign, source = (cell.strip() for cell in row)
    return Claim(gene, subtype, cast(Sign, sign), source)  # `_row_problems` has checked the sign


def claim_problems(
    claims: Claims, classes: Sequence[str], panel: Sequence[str], where: str
) -> Iterator[Problem]:
    """Claims of a class without a label or of a gene outside the panel."""
    for claim in claims.items:
        if claim.subtype not in classes:
            found, expected = f"{claim}: no such class", f"one of {', '.join(classes)}"
            yield Problem(where, found, expected, "correct the class in a new file")
        if claim.gene not in panel:
            found = f"{claim}: the gene is not in the panel, or not in the bulk table"
            yield Problem(where, found, "a gene that is read", "add the gene to the panel")


def _row_problems(path: Path, rows: list[list[str]]) -> Iterator[Problem]:
    if not rows or [cell.strip() for cell in rows[0]] != _HEADER:
        yield _problem(path, f"the header {','.join(rows[0]) if rows else ''!r}", "correct it")
        return
    for number, row in enumerate(rows[1:], start=3):
        if row and (len(row) != len(_HEADER) or row[2].strip() not in get_args(Sign)):
            found = f"line {number} is no claim: {','.join(row)}"
            yield _problem(path, found, "four cells, of which `sign` is low or high")
    if len([row for row in rows if row]) < 2:
        yield _problem(path, "no claim", "add a claim, or leave the file out")


def _problem(path: Path, found: str, remedy: str) -> Problem:
    return Problem(f"claims {path}", found, _EXPECTED, remedy)
