"""The question `layers`: its settings, and where each of its answers is worked out."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class LayersQuestionSettings(StrictSettings):
    """Topic, layers and tiles of the question `layers`."""

    about: Literal["similarity"] = "similarity"
    """What to ask of the layers: which of them are alike (`similarity`)."""
    layers: Names = ()
    """Layers in order, e.g. `network.patches.net.blocks.0`; by default the main ones."""
    sections: Names = ()
    """Ids of the sections; by default all that no predictor was trained on."""
    tiles: Annotated[int, Field(ge=8, le=500)] = 100
    """Tiles of each section, drawn at random; all spots where there are fewer."""


def _plan(request: "ExplainRequest", settings: LayersQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.layers.plan import plan_layers

    return plan_layers(request, settings)


LAYERS = Question(
    name="layers",
    summary="What have the layers of a network learned?",
    settings=LayersQuestionSettings,
    plan=_plan,
    predictors="at least one",
)
