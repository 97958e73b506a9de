"""The question `exemplars`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class ExemplarsQuestionSettings(StrictSettings):
    """Which section, gene and spots the question `exemplars` is about."""

    section: str | None = None
    """Id of the section; by default the first that the predictor was not trained on."""
    gene: str | None = None
    """Id or symbol of the gene; by default the one with the best score on held-out patients."""
    spots: Names = ()
    """Ids of the spots to draw; by default those with least, median and most error."""


def _plan(request: "ExplainRequest", settings: ExemplarsQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.exemplars.answer import plan_exemplars

    return plan_exemplars(request, settings)


EXEMPLARS = Question(
    name="exemplars",
    summary="Which training spots does a model look up for a spot, and does it use them?",
    settings=ExemplarsQuestionSettings,
    plan=_plan,
)
