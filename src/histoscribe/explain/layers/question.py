"""The question `layers`: its settings, and where each of its answers is worked out."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from histoscribe.explain.question import Names, Question, listed
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest

Pieces = Annotated[tuple[int, ...], BeforeValidator(listed)]


class LayersQuestionSettings(StrictSettings):
    """Topic, layers and tiles of the question `layers`."""

    about: Literal["similarity", "attention", "texture", "units"] = "similarity"
    """What to ask of the layers: which of them are alike (`similarity`); how far heads read
    (`attention`); which images excite their units (`units`); or of the genes, whether their scores
    survive when tiles are cut and shuffled (`texture`)."""
    layers: Names = ()
    """Layers in order, e.g. `network.patches.net.blocks.0`; by default the main ones."""
    sections: Names = ()
    """Ids of the sections; by default all that no predictor was trained on."""
    tiles: Annotated[int, Field(ge=8, le=500)] = 100
    """Tiles of each section, drawn at random; all spots where there are fewer."""
    retrain: bool = False
    """Whether `attention` trains the model again, on a tenth, a third and all of the spots."""
    units: Names = ()
    """What images shall excite: `LAYER`, `LAYER:CHANNEL` or `LAYER:CHANNEL:PLACE`, e.g.
    `network.hidden:3`; by default of five layers the channel that varies most over the tiles."""
    genes: Names = ()
    """Ids or symbols of genes that images shall excite; by default two, if no units are named."""
    steps: Annotated[int, Field(ge=1, le=5000)] = 100
    """Steps in which an image is made."""
    pieces: Pieces = (2, 4, 8, 16)
    """Pieces along each side of a tile that is cut."""
    gene_sets: str | None = None
    """Gene sets for curves: a GMT file of symbols or Ensembl ids, or `catalog:hallmark`."""


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
