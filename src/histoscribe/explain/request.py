"""Input of a question, and the plan of its answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding
from histoscribe.near_names import did_you_mean
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort, Section


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainRequest:
    """Predictors, cohort and cache of one question."""

    predictors: tuple[Predictor, ...]
    cohort: Cohort
    """Empty where none was given; only a question that needs no cohort sees it so."""
    cache: Path
    """Folder for features and tiles that later runs use again."""
    bulk: str | None = None
    """Path of a table of bulk expression, or `catalog:NAME`; None where none was given."""

    @property
    def predictor(self) -> Predictor:
        """The predictor of a question that takes one."""
        (predictor,) = self.predictors
        return predictor


@dataclass(frozen=True, eq=False, kw_only=True)
class AnswerPlan:
    """Work that answers a question, planned after all checks."""

    about: Mapping[str, str]
    """What the answer is about: predictor, section, gene and so on. Equal for equal requests."""
    sections: tuple[Section, ...]
    """The sections whose images and spots the answer rests on."""
    work: Callable[[Path], Finding]
    """Does the work and writes figure and table into the folder that it is given."""


def unknown_sections(cohort: Cohort, names: Iterable[str], setting: str) -> list[Problem]:
    """Say which of these sections the cohort lacks."""
    return [
        Problem(
            where=f"{setting} {name}",
            found="no such section in the cohort",
            expected=f"one of {', '.join(cohort.ids)}",
            remedy=did_you_mean(name, cohort.ids, "correct the id"),
        )
        for name in names
        if name not in cohort.ids
    ]


def check_number_of_genes(choice: GeneChoice, most: int, question: str, room: str) -> None:
    """Check that a figure has room for these genes; `room` says why there are no more.

    Raises DataContractError for more than `most`.
    """
    if len(choice.genes) > most:
        raise DataContractError(
            Problem(
                where=f"explain {question}, genes",
                found=f"{len(choice.genes)} genes",
                expected=f"at most {most}, {room}",
                remedy="ask for the others in a second folder",
            )
        )


def problems_of(checks: Iterable[Callable[[], object]]) -> list[Problem]:
    """Run every check and collect the problems that they raise."""
    problems: list[Problem] = []
    for check in checks:
        try:
            check()
        except DataContractError as error:
            problems += error.problems
    return problems


def one_section(request: ExplainRequest, name: str | None) -> Section:
    """The named section; else the first that the predictor was not trained on, or the first."""
    if name is not None:
        return request.cohort[name]
    trained = request.predictor.card.sections
    new = [id_ for id_ in request.cohort.ids if id_ not in trained]
    return request.cohort[(new or request.cohort.ids)[0]]


def trained_on(predictor: Predictor, section: Section) -> str | None:
    """Sentence naming a training section or patient; None for new tissue."""
    card = predictor.card
    if section.id in card.sections:
        return f"section {section.id} was in training"
    if section.patient is not None and section.patient in card.patients:
        return f"section {section.id} is of patient {section.patient}, who was in training"
    return None
