"""Checks of the request for distance of attention, before the long work."""

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.layers.activations import network_of, read_tiles
from histoscribe.explain.layers.attention import AttentionAnswer
from histoscribe.explain.layers.attention_distance import attention_of
from histoscribe.explain.layers.attention_places import SUPPORTED
from histoscribe.explain.layers.attention_shares import ShareTrainings
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.layers.similarity_plan import choose_sections
from histoscribe.explain.request import AnswerPlan, ExplainRequest
from histoscribe.near_names import did_you_mean
from histoscribe.types import Section


def plan(request: ExplainRequest, settings: LayersQuestionSettings) -> AnswerPlan:
    """Choose sections and layers, and plan the work.

    Raises
    ------
    DataContractError
        For a model without attention between tokens with places, unknown sections and layers,
        images that are too coarse, and a predictor that cannot be trained again where it is to be.
    """
    sections = choose_sections(request, settings.sections)
    layers = _attention_layers(request, sections[0])
    problems = [
        Problem(
            where=f"layer {name}",
            found="no layer of attention has this name",
            expected=f"one of {', '.join(layers)}",
            remedy=did_you_mean(name, layers, "choose one of these"),
        )
        for name in settings.layers
        if name not in layers
    ]
    if problems:
        raise DataContractError(problems)
    chosen = tuple(name for name in layers if name in (settings.layers or layers))
    trainings = ShareTrainings.plan(request, sections) if settings.retrain else None
    answer = AttentionAnswer(request, sections, chosen, settings.tiles, trainings)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _attention_layers(request: ExplainRequest, section: Section) -> tuple[str, ...]:
    """Layers of attention between tokens with places.

    Raises DataContractError where there is none.
    """
    predictor = request.predictor
    network = network_of(predictor)
    tiles = read_tiles(predictor, section, np.arange(1), (), request.cache)
    layers = tuple(attention_of(predictor, network, section, tiles))
    if not layers:
        raise DataContractError(
            Problem(
                where=f"predictor {predictor.name}",
                found=f"{network.name} has no attention between parts of a tile or between spots",
                expected=f"a predictor of {SUPPORTED}",
                remedy="give a predictor of one of these models, or ask about similarity",
            )
        )
    return layers
