"""The question `graph`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class GraphQuestionSettings(StrictSettings):
    """Which section, windows and edges the question `graph` is about."""

    section: str | None = None
    """Id of the section; by default the first that the predictor was not trained on."""
    spots: Names = ()
    """Ids of the spots whose windows are drawn; by default three at random."""
    edges: Annotated[int, Field(ge=1)] = 30
    """Edges to draw in a window: the strongest that are no self-loops."""


def _plan(request: "ExplainRequest", settings: GraphQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.graph.answer import plan_graph

    return plan_graph(request, settings)


GRAPH = Question(
    name="graph",
    summary="Which places of a window does a network link, and does a random one link others?",
    settings=GraphQuestionSettings,
    plan=_plan,
)
