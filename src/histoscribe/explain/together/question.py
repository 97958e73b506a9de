"""The question `together`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class TogetherQuestionSettings(StrictSettings):
    """Genes, pairs, sections and gene sets that the question `together` is about."""

    genes: Names = ()
    """Ids or symbols of the genes to compare; by default those of the panel, the 300 with the
    highest mean if there are more."""
    pairs: Names = ()
    """Pairs to give numbers of, e.g. `ERBB2:GRB7`; their genes are compared, too."""
    sections: Names = ()
    """Ids of sections of held-out patients; by default all of these."""
    sets: str = "catalog:hallmark"
    """A GMT file of gene sets by symbols or Ensembl ids, `catalog:hallmark`, or `none`."""
    shuffles: Annotated[int, Field(ge=3, le=100)] = 5
    """Trainings on shuffled rows, which give the chance level."""


def _plan(request: "ExplainRequest", settings: TogetherQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.together.plan import plan_together

    return plan_together(request, settings)


TOGETHER = Question(
    name="together",
    summary="Do genes that go together have maps that look alike?",
    settings=TogetherQuestionSettings,
    plan=_plan,
)
