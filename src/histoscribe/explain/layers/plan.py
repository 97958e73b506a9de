"""Answers to `layers` by topic, with the settings that each answer reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast, final

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.request import AnswerPlan, ExplainRequest

_Plan = Callable[[ExplainRequest, LayersQuestionSettings], AnswerPlan]


@final
@dataclass(frozen=True)
class LayersTopic:
    """One answer: the module that plans it, and the settings read."""

    module: str
    """Module of `histoscribe.explain.layers` with the function `plan`; imported when needed."""
    settings: tuple[str, ...]
    """Settings that it reads, besides `about`."""
    most_predictors: int = 1


TOPICS: Mapping[str, LayersTopic] = {
    "similarity": LayersTopic("similarity_plan", ("layers", "sections", "tiles"), 2),
    "attention": LayersTopic("attention_plan", ("layers", "sections", "tiles", "retrain")),
    "units": LayersTopic("unit_plan", ("units", "genes", "steps", "sections", "tiles")),
    "texture": LayersTopic("texture", ("sections", "pieces", "gene_sets")),
}


def plan_layers(request: ExplainRequest, settings: LayersQuestionSettings) -> AnswerPlan:
    """Plan the answer that is asked for.

    Raises DataContractError for settings that it does not read, for too many predictors, and for
    what the answer itself refuses.
    """
    topic = TOPICS[settings.about]
    problems = _unread(settings, topic)
    if len(request.predictors) > topic.most_predictors:
        n, most = len(request.predictors), topic.most_predictors
        problems.append(
            Problem(
                where=f"explain layers, about {settings.about}",
                found=f"{n} predictors",
                expected="one predictor" if most == 1 else f"at most {most} predictors",
                remedy="put the question to the others in a second folder",
            )
        )
    if problems:
        raise DataContractError(problems)
    module = import_module(f"histoscribe.explain.layers.{topic.module}")
    return cast(_Plan, module.plan)(request, settings)


def _unread(settings: LayersQuestionSettings, topic: LayersTopic) -> list[Problem]:
    """A problem for each given setting that this answer does not read."""
    return [
        Problem(
            where=f"setting {name}",
            found=f"the answer about {settings.about} does not read it",
            expected=f"only {', '.join(topic.settings)}",
            remedy="leave it out, or ask about "
            + " or ".join(about for about, other in TOPICS.items() if name in other.settings),
        )
        for name in type(settings).model_fields
        if name in settings.model_fields_set - {"about", *topic.settings}
    ]
