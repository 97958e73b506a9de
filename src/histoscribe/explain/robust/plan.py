"""What the question needs, checked before the long work."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.robust.answer import RobustAnswer
from histoscribe.explain.robust.changes import CHANGES, FINER, GRADIENT, Change
from histoscribe.explain.robust.pixel_steps import has_pixel_gradient
from histoscribe.explain.robust.question import RobustQuestionSettings
from histoscribe.explain.where.gradients import genes_of_pixels, gradient_problem, has_gradient
from histoscribe.near_names import did_you_mean
from histoscribe.predictor.gene_choice import GeneChoice, choose_genes
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

_FEWEST_SPOTS = 3  # over two, every correlation is -1 or 1
_COARSER_BY = 1.01  # of tiles than the image, as `Tiles.check` allows


class _Steps(NamedTuple):
    """Steps of each change, and the sentences about what was left out."""

    of: Mapping[str, tuple[float, ...]]
    left_out: tuple[str, ...]


def plan_robust(request: ExplainRequest, settings: RobustQuestionSettings) -> AnswerPlan:
    """Find sections, genes and steps, and plan the work on them.

    Raises
    ------
    DataContractError
        for unknown names, steps outside their range, a cohort without new sections, sections
        without counts or genes, images that are too coarse, and a gradient that the model does not
        have.
    """
    predictor = request.predictor
    genes: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, settings.sections, "section"),
        *problems_of([lambda: genes.append(choose_genes(predictor, settings.genes))]),
        *_unknown_changes(settings),
        *_step_problems(predictor, settings),
        *_sample_problems(predictor),
    ]
    if problems:
        raise DataContractError(problems)
    sections = _sections(request, settings)
    if problems := list(_section_problems(predictor, sections, genes[0].genes)):
        raise DataContractError(problems)
    steps = _possible(predictor, sections, settings, genes[0].genes)
    answer = RobustAnswer(
        request=request,
        sections=sections,
        genes=genes[0],
        steps=steps.of,
        left_out=steps.left_out,
    )
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _names() -> tuple[str, ...]:
    return tuple(of.name for of in CHANGES)


def _unknown_changes(settings: RobustQuestionSettings) -> Iterator[Problem]:
    for name in settings.changes:
        if name not in _names():
            yield Problem(
                where=f"change {name}",
                found="no change has this name",
                expected=f"one of {', '.join(_names())}",
                remedy=did_you_mean(name, _names(), "choose one of these"),
            )


def _chosen(settings: RobustQuestionSettings) -> list[Change]:
    return [of for of in CHANGES if not settings.changes or of.name in settings.changes]


def _step_problems(predictor: Predictor, settings: RobustQuestionSettings) -> Iterator[Problem]:
    by_field = {of.field: of for of in _chosen(settings)}  # some changes share their steps
    for field, change in by_field.items():
        bounded = _bounded(change, predictor)
        if not change.steps(settings):
            yield Problem(
                f"explain robust, {field}", "no step", "at least one", "leave the setting out"
            )
        for step in change.steps(settings) if field in settings.model_fields_set else ():
            if not bounded.allows(step):
                yield Problem(
                    where=f"explain robust, {field} {step:g}",
                    found="a step outside its range",
                    expected=bounded.range_words,
                    remedy="give a step within the range",
                )
    for field in dict.fromkeys(of.field for of in CHANGES):
        if field in settings.model_fields_set and field not in by_field:
            names = " or ".join(of.name for of in CHANGES if of.field == field)
            yield Problem(
                where=f"explain robust, {field}",
                found="steps of a change that is not asked about",
                expected="steps of the changes that are named",
                remedy=f"leave them out, or add {names}",
            )


def _bounded(change: Change, predictor: Predictor) -> Change:
    """The change with the range that these tiles allow: a blur of at most a quarter of a side."""
    if change.field != "blurs":
        return change
    return replace(change, most=predictor.encoding.tile_px * predictor.encoding.mpp / 4)


def _sample_problems(predictor: Predictor) -> Iterator[Problem]:
    if predictor.target.samples:
        yield Problem(
            where=f"predictor {predictor.name}",
            found=f"it was trained on {predictor.target.samples}",
            expected="a predictor of spots: scores are over the spots of a section",
            remedy="ask about a predictor that was trained on spots",
        )


def _sections(request: ExplainRequest, settings: RobustQuestionSettings) -> tuple[Section, ...]:
    if settings.sections:
        return tuple(request.cohort[name] for name in dict.fromkeys(settings.sections))
    predictor = request.predictor
    sections = tuple(of for of in request.cohort if trained_on(predictor, of) is None)
    if not sections:
        raise DataContractError(
            Problem(
                where="explain robust, sections",
                found="every section of the cohort is of a patient who was in training",
                expected="sections that were held out",
                remedy="give another cohort, or name sections to ask about training tissue",
            )
        )
    return sections


def _section_problems(
    predictor: Predictor, sections: tuple[Section, ...], genes: tuple[str, ...]
) -> Iterator[Problem]:
    yield from problems_of([partial(predictor.encoding.tiles.check, of) for of in sections])
    for section in sections:
        if section.counts is None:
            yield Problem(
                where=f"section {section.id}",
                found="no counts",
                expected="measured genes: the question is about scores",
                remedy="leave the section out",
            )
        elif not set(genes) & set(section.counts.gene_ids):
            yield Problem(
                where=f"section {section.id}",
                found="none of these genes was measured",
                expected="at least one of them",
                remedy="name other genes, or leave the section out",
            )
        if len(section.spots) < _FEWEST_SPOTS:
            yield Problem(
                where=f"section {section.id}",
                found=f"{len(section.spots)} spots",
                expected=f"at least {_FEWEST_SPOTS}, for a correlation",
                remedy="leave the section out",
            )


def _possible(
    predictor: Predictor,
    sections: tuple[Section, ...],
    settings: RobustQuestionSettings,
    genes: tuple[str, ...],
) -> _Steps:
    """Leave out what tiles, images or model do not allow.

    Raises DataContractError where the user asked for it.
    """
    steps: dict[str, tuple[float, ...]] = {}
    words, problems = [], []
    most = _finest(predictor, sections)
    finer_by_wish = bool({"changes", "factors"} & settings.model_fields_set)
    for change in _chosen(settings):
        given = change.steps(settings)
        possible = _within(_bounded(change, predictor), given, most)
        steps |= {change.name: possible} if possible else {}
        if len(possible) < len(given):
            listed = ", ".join(f"{step:g}" for step in given if step not in possible)
            words.append(f"Steps of `{change.name}` that tiles or images do not allow: {listed}.")
            problems += [_too_fine(listed, most)] if change.name == FINER and finer_by_wish else []
    if GRADIENT in steps and not _differentiable(predictor, genes):
        del steps[GRADIENT]
        words.append(f"`{GRADIENT}` was left out: the prediction has no gradient to the pixels.")
        if GRADIENT in settings.changes:
            remedy = f"leave `{GRADIENT}` out of the changes"
            problems.append(replace(gradient_problem(predictor), remedy=remedy))
    if problems:
        raise DataContractError(problems)
    return _Steps(steps, tuple(words))


def _within(change: Change, steps: tuple[float, ...], finest: float) -> tuple[float, ...]:
    """Steps that are possible; `finest` is the largest factor that the images allow."""
    if change.name == FINER:
        change = replace(change, most=min(change.most, finest))
    return tuple(step for step in steps if change.allows(step))


def _finest(predictor: Predictor, sections: tuple[Section, ...]) -> float:
    """Largest factor by which tiles can be read finer in all sections."""
    return predictor.encoding.mpp * _COARSER_BY / max(of.slide.mpp for of in sections)


def _too_fine(steps: str, most: float) -> Problem:
    return Problem(
        where=f"explain robust, finer {steps}",
        found="images that are too coarse for these steps",
        expected=f"factors of at most {most:.3g}: images are never enlarged",
        remedy="give smaller factors, or leave `finer` out of the changes",
    )


def _differentiable(predictor: Predictor, genes: tuple[str, ...]) -> bool:
    """Whether model and encoder have a gradient; tried on a grey tile."""
    if not has_gradient(predictor):
        return False
    side = predictor.encoding.tile_px
    image = torch.full((1, 3, side, side), 128, dtype=torch.uint8)
    with genes_of_pixels([predictor], genes) as (predict, device):
        return has_pixel_gradient(predict, image.to(device))
