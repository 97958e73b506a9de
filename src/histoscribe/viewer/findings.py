"""Answers of `explain` beside a section: the numbers with their chance level, and a picture."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.questions import QUESTIONS
from histoscribe.explain.saved_finding import read_finding
from histoscribe.io.slides.thumbnail import thumbnail_jpegs

_PICTURE_PX = 1600
"""Longest side of a picture."""
_ABOUT = ("gene", "genes", "labels", "section", "sections", "patient", "unit")
_DRAWN = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class ViewedFinding:
    """An answer of `explain` in words, with its main picture."""

    question: str
    title: str
    text: str
    """Paragraphs, with an empty line between them."""
    picture: bytes | None
    """JPEG; read when the page is started, so that no request opens a file."""
    sections: tuple[str, ...]
    """Sections that it is about; empty for an answer about all."""


def read_findings(folders: Sequence[Path]) -> tuple[ViewedFinding, ...]:
    """Read folders that `explain` wrote, in their order.

    Raises
    ------
    DataContractError
        listing every folder without a readable finding.
    """
    findings: list[ViewedFinding] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            findings.append(_viewed(read_finding(folder)))
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    return tuple(findings)


def findings_about(findings: Sequence[ViewedFinding], section: str) -> tuple[ViewedFinding, ...]:
    """Select the findings about one section, or about no particular section."""
    return tuple(of for of in findings if not of.sections or section in of.sections)


def _viewed(finding: Finding) -> ViewedFinding:
    about = finding.about
    summaries = {question.name: question.summary for question in QUESTIONS}
    names = f"{about.get('section', '')},{about.get('sections', '')}".replace(",", " ").split()
    drawn = [name for name in finding.figures if Path(name).suffix.lower() in _DRAWN]
    picture = finding.folder / drawn[0] if drawn else None
    return ViewedFinding(
        question=finding.question,
        title=summaries.get(finding.question, finding.question),
        text="\n\n".join(_paragraphs(finding)),
        picture=None if picture is None else thumbnail_jpegs(picture, [_PICTURE_PX])[0],
        sections=tuple(names),
    )


def _paragraphs(finding: Finding) -> Iterator[str]:
    """Subject, numbers with their chance level, and caveats."""
    of = ", ".join(f"{origin.row}@{origin.hash[:12]}" for origin in finding.predictors)
    facts = [f"predictor: {of}"] if of else []
    facts += [f"{name}: {finding.about[name]}" for name in _ABOUT if name in finding.about]
    yield "; ".join(facts)
    chance = {number.name: number for number in finding.null}
    for number in finding.statistic:
        beside = chance.get(number.name)
        by_chance = "" if beside is None else f"; by chance {_text(beside)}"
        yield f"{number.name}: {_text(number)}{by_chance}. {number.meaning}"
    yield from finding.caveat


def _text(number: Number) -> str:
    if math.isnan(number.value):
        return "undefined"
    span = "" if number.low is None else f" ({number.low:.3g} to {number.high:.3g})"
    return f"{number.value:.3g}{span}"
