"""The question `memory`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class MemoryQuestionSettings(StrictSettings):
    """How the question `memory` trains the model of a predictor again."""

    sections: Names = ()
    """Ids of the sections to train on; by default all of the cohort."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    """Share of the training labels that the probe exchanges between spots of a section."""


def _plan(request: "ExplainRequest", settings: MemoryQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.memory.answer import plan_memory

    return plan_memory(request, settings)


MEMORY = Question(
    name="memory",
    summary="Does a network learn from its labels, or memorise them?",
    settings=MemoryQuestionSettings,
    plan=_plan,
)
