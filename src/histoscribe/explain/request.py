"""What is asked of an explanation, and a question that is ready to be answered."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histoscribe.errors import Problem
from histoscribe.explain.finding import Finding
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort, Section


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainRequest:
    """A predictor, the sections it is asked about, and what the user chose."""

    predictor: Predictor
    cohort: Cohort
    cache: Path
    sections: tuple[str, ...] = ()
    """Ids; empty leaves the choice to the question."""
    gene: str | None = None
    """Id or symbol."""
    spots: tuple[str, ...] = ()
    """Ids of the spots to draw; empty leaves the choice to the question."""
    labels: Mapping[str, Path] = field(default_factory=dict)
    """Section -> a table of what its spots are."""


class Question(ABC):
    """A question whose wishes were checked, before the long work."""

    @property
    @abstractmethod
    def about(self) -> Mapping[str, str]:
        """What is asked, as resolved: the same question gives the same text."""

    @property
    @abstractmethod
    def sections(self) -> tuple[Section, ...]:
        """The sections that are asked about."""

    @abstractmethod
    def answer(self, out: Path) -> Finding:
        """Do the work and write figure and table into `out`."""


def unknown_sections(asked: ExplainRequest, names: Iterable[str], option: str) -> list[Problem]:
    """Say which of these sections the cohort lacks."""
    return [
        Problem(
            where=f"{option} {name}",
            found="no such section in the cohort",
            expected=f"one of {', '.join(asked.cohort.ids)}",
            remedy="correct the id",
        )
        for name in names
        if name not in asked.cohort.ids
    ]


def trained_on(predictor: Predictor, section: Section) -> str | None:
    """Say that a predictor was fitted on a section, or on its patient; None where it was not."""
    sections = predictor.card["sections"]
    if section.id in sections:
        return f"section {section.id} was in training"
    patients = {of["patient"] for of in sections.values()}
    if section.patient is not None and section.patient in patients:
        return f"section {section.id} is of patient {section.patient}, who was in training"
    return None
