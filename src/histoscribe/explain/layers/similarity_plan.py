"""Checks of the request for similarity of layers, before the long work."""

from collections.abc import Sequence
from functools import partial

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.layers.activations import (
    N_PROBED,
    SectionTiles,
    choose_layers,
    network_of,
    random_rows,
    read_tiles,
    readable_layers,
)
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.layers.similarity import SimilarityAnswer
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

FEWEST_TILES = 8
"""Spots of a section; CKA of fewer is little more than noise."""


def plan(request: ExplainRequest, settings: LayersQuestionSettings) -> AnswerPlan:
    """Choose sections and layers, and plan the work.

    Raises
    ------
    DataContractError
        For a model that is no network, unknown sections and layers, images that are too coarse,
        sections with too few spots or without a layer that varies over their tiles, and two
        predictors without a common layer unless layers of both are named.
    """
    sections = choose_sections(request, settings.sections)
    probed = [probed_tiles(predictor, sections[0], request) for predictor in request.predictors]
    readable = [
        readable_layers(predictor, tiles)
        for predictor, tiles in zip(request.predictors, probed, strict=True)
    ]
    layers = _layers(request.predictors, readable, settings.layers)
    answer = SimilarityAnswer(request, sections, layers, settings.tiles)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def choose_sections(request: ExplainRequest, names: Sequence[str]) -> tuple[Section, ...]:
    """The named sections, else those that no predictor was trained on, else all.

    Raises DataContractError for unknown sections, models without layers, and sections that cannot
    be read.
    """
    problems = unknown_sections(request.cohort, names, "section")
    problems += problems_of(partial(network_of, predictor) for predictor in request.predictors)
    if problems:
        raise DataContractError(problems)
    sections = [request.cohort[name] for name in names or request.cohort.ids]
    if not names:
        new = [of for of in sections if not any(trained_on(p, of) for p in request.predictors)]
        sections = new or sections
    problems += problems_of(
        partial(predictor.encoding.tiles.check, section)
        for predictor in request.predictors
        for section in sections
    )
    problems += [
        Problem(
            where=f"section {section.id}",
            found=f"{len(section.spots)} spots",
            expected=f"at least {FEWEST_TILES}",
            remedy="leave the section out",
        )
        for section in sections
        if len(section.spots) < FEWEST_TILES
    ]
    if problems:
        raise DataContractError(problems)
    return tuple(sections)


def probed_tiles(predictor: Predictor, section: Section, request: ExplainRequest) -> SectionTiles:
    """A few tiles at random, on which layers are tried before the long work."""
    return read_tiles(predictor, section, random_rows(section, N_PROBED), (), request.cache)


def _layers(
    predictors: Sequence[Predictor], readable: Sequence[Sequence[str]], names: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Layers of each predictor; of two, a name need be known to one, but each has some."""
    if len(predictors) == 1:
        return (choose_layers(predictors[0], readable[0], names),)
    known = {name for of in readable for name in of}
    wrong = [name for name in names if name not in known]
    if wrong:  # the message is that of the first predictor
        choose_layers(predictors[0], readable[0], wrong)
    named = [[name for name in names if name in of] for of in readable]
    first, second = predictors
    network = [{name for name in of if _is_hidden(name)} for of in readable]
    if (names and not all(named)) or not (names or network[0] & network[1]):
        raise DataContractError(
            Problem(
                where="explain layers",
                found=f"{first.name} ({network_of(first).name}) and {second.name} "
                f"({network_of(second).name}) have no layer of one name",
                expected="layers to compare in each of them",
                remedy="name layers of both with `layers`, such as "
                f"{readable[0][-1]} and {readable[1][-1]}",
            )
        )
    return tuple(
        choose_layers(predictor, of, some)
        for predictor, of, some in zip(predictors, readable, named, strict=True)
    )


def _is_hidden(name: str) -> bool:
    """True for a network layer before the last one, `head`, which most networks have."""
    return name.startswith("network.") and not name.startswith("network.head")
