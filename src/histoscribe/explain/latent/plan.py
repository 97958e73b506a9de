"""Checks a question `latent` before the long work."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.latent.answer import LatentAnswer
from histoscribe.explain.latent.purity import N_NEAREST
from histoscribe.explain.latent.question import LatentQuestionSettings
from histoscribe.explain.request import AnswerPlan, ExplainRequest, problems_of, unknown_sections
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.base import Estimator
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section


def plan_latent(request: ExplainRequest, settings: LatentQuestionSettings) -> AnswerPlan:
    """Find the sections, check their labels, and plan the work on them.

    Raises
    ------
    DataContractError
        For a model that is no network, an unknown section, labels that cannot be used and too few
        spots.
    """
    cohort = request.cohort
    problems = unknown_sections(cohort, settings.sections, "section")
    problems += unknown_sections(cohort, settings.labels, "labels")
    for predictor in request.predictors:
        problems += _model_problems(predictor)
    if problems:
        raise DataContractError(problems)
    sections = tuple(cohort[name] for name in settings.sections or cohort.ids)
    problems += _label_problems(settings.labels, sections)
    n_spots = sum(len(section.spots) for section in sections)
    if n_spots <= N_NEAREST:
        expected = f"at least {N_NEAREST + 1}, to have {N_NEAREST} neighbours"
        problems.append(Problem("the cohort", f"{n_spots} spots", expected, "give more sections"))
    if problems:
        raise DataContractError(problems)
    answer = LatentAnswer(request, sections, settings.labels)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _model_problems(predictor: Predictor) -> Iterator[Problem]:
    model, where = predictor.model, f"predictor {predictor.name}"
    if isinstance(model, Estimator):
        yield Problem(
            where=where,
            found=f"{model.name} is no network: it has no layer between features and genes",
            expected="a predictor of a network",
            remedy="give a predictor of another model",
        )
    elif model.item == "bag":
        yield Problem(
            where=where,
            found=f"{model.name} reads all tiles of a patient as one",
            expected="a predictor of a network that represents single spots",
            remedy="give a predictor of another model",
        )


def _label_problems(labels: Mapping[str, Path], sections: Sequence[Section]) -> list[Problem]:
    problems: list[Problem] = []
    by_id = {section.id: section for section in sections}
    for id_, path in labels.items():
        if id_ not in by_id:
            found, expected = "not one of the chosen sections", f"one of {', '.join(by_id)}"
            problems.append(Problem(f"labels {id_}", found, expected, "name the section, too"))
            continue
        problems += problems_of([partial(read_labels, path, by_id[id_].spots)])
    return problems
