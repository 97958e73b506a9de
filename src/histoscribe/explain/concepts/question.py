"""The question `concepts`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING

from pydantic import PositiveInt

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class ConceptsQuestionSettings(StrictSettings):
    """Measures, layers, genes and tiles that the question `concepts` is about."""

    measures: Names = ()
    """Measures of tiles, e.g. `nuclear_area`; by default all that the tiles are fine enough for."""
    layers: Names = ()
    """Layers in order, e.g. `encoder.features.3`; by default the main ones, at most ten."""
    genes: Names = ()
    """Genes by id or symbol, at most six; by default the six that are predicted best."""
    sections: Names = ()
    """Ids of the sections; by default all of the cohort."""
    tiles: PositiveInt = 100
    """Tiles of each section, drawn at random; all spots where there are fewer."""


def _plan(request: "ExplainRequest", settings: ConceptsQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.concepts.plan import plan_concepts

    return plan_concepts(request, settings)


CONCEPTS = Question(
    name="concepts",
    summary="Which concepts of a pathologist does a network read, and at which layer?",
    settings=ConceptsQuestionSettings,
    plan=_plan,
)
