"""Findings of `explain` on a page: each number beside its value by chance."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.questions import QUESTIONS
from histoscribe.explain.saved_finding import read_finding
from histoscribe.predictor.folder import RECORD, sha256
from histoscribe.report.figures import Figure, embedded
from histoscribe.report.run import Run

_ABOUT = ("section", "sections", "patient", "gene", "genes", "labels", "unit")
"""What a reader wants to know first of a question."""


@dataclass(frozen=True)
class NumberRow:
    """A number of a finding as text, with the same number by chance."""

    name: str
    meaning: str
    value: str
    chance: str
    """Empty where the finding has none."""


@dataclass(frozen=True)
class FindingBlock:
    """A finding as the page shows it."""

    anchor: str
    question: str
    summary: str
    about: tuple[tuple[str, str], ...]
    rows: tuple[NumberRow, ...]
    pictures: tuple[Figure, ...]
    caveats: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    """Name and relative address of each table and picture."""


def finding_blocks(
    folders: Sequence[Path], page: Path, run: tuple[Path, Run] | None
) -> tuple[FindingBlock, ...]:
    """Findings for a page, in the order of their folders.

    Raises
    ------
    DataContractError
        listing every folder without a readable finding, and every finding of another predictor
        than those of the run.
    """
    findings: list[Finding] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            findings.append(read_finding(folder))
        except DataContractError as error:
            problems += error.problems
    if run is not None:
        problems += _of_other_runs(findings, *run)
    if problems:
        raise DataContractError(problems)
    return tuple(_block(number, finding, page) for number, finding in enumerate(findings, 1))


def _of_other_runs(findings: Sequence[Finding], folder: Path, run: Run) -> Iterator[Problem]:
    """A predictor belongs to a run that saved it, or whose scores it stores."""
    saved = {sha256(path) for path in (folder / "predictors").rglob(RECORD)}
    for finding in findings:
        foreign = [
            f"{of.row}@{of.hash[:12]}"
            for of in finding.predictors
            if of.hash not in saved and of.folds_sha256 != run.card.folds_sha256
        ]
        if foreign:
            yield Problem(
                where=str(finding.folder),
                found=f"a finding about {', '.join(foreign)}",
                expected=f"a predictor of {folder}, or one trained with `--benchmark {folder}`",
                remedy="leave this finding out, or give the run of its predictor",
            )


def _block(number: int, finding: Finding, page: Path) -> FindingBlock:
    summaries = {question.name: question.summary for question in QUESTIONS}
    known = [(name, finding.about[name]) for name in _ABOUT if name in finding.about]
    of = ", ".join(f"{origin.row}@{origin.hash[:12]}" for origin in finding.predictors)
    return FindingBlock(
        anchor=f"finding-{number}",
        question=finding.question,
        summary=summaries.get(finding.question, finding.question),
        about=(*([("predictor", of)] if of else []), *known),
        rows=tuple(_rows(finding)),
        pictures=embedded([finding.folder / name for name in finding.figures if _drawn(name)]),
        caveats=finding.caveat,
        links=tuple(_links(finding, page)),
    )


def _rows(finding: Finding) -> Iterator[NumberRow]:
    chance = {number.name: number for number in finding.null}
    for number in finding.statistic:
        beside = chance.pop(number.name, None)
        by_chance = "" if beside is None else _text(beside)
        yield NumberRow(number.name, number.meaning, _text(number), by_chance)
    for number in chance.values():
        yield NumberRow(number.name, number.meaning, "", _text(number))


def _text(number: Number) -> str:
    if math.isnan(number.value):
        return "undefined"
    span = "" if number.low is None else f" ({number.low:.3g} to {number.high:.3g})"
    return f"{number.value:.3g}{span}"


def _drawn(name: str) -> bool:
    return Path(name).suffix.lower() in {".png", ".jpg", ".jpeg"}


def _links(finding: Finding, page: Path) -> Iterator[tuple[str, str]]:
    """Addresses relative to the page, so that page and findings can move together."""
    for name in (*finding.tables, *finding.figures, *finding.files):
        path = os.path.relpath(finding.folder / name, page.parent)
        yield name, quote(Path(path).as_posix())
