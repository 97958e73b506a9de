"""The question `where`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class WhereQuestionSettings(StrictSettings):
    """Which section, genes and tiles the question `where` is about."""

    section: str | None = None
    """Id of the section; by default the first that the predictors were not trained on."""
    genes: Names = ()
    """Ids or symbols of the genes; by default the one with the best score on held-out patients."""
    tiles: Names = ()
    """Ids of the spots whose tiles are explained pixel by pixel; by default those with the highest
    and the lowest prediction of the first gene, and two at random."""
    attribution: bool = True
    """Explain tiles pixel by pixel: it takes longer than all the rest."""


def _plan(request: "ExplainRequest", settings: WhereQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.where.answer import plan_where

    return plan_where(request, settings)


WHERE = Question(
    name="where",
    summary="Where does a model look, and is that about the gene?",
    settings=WhereQuestionSettings,
    plan=_plan,
    predictors="at least one",
)
