"""The question `where`: its settings, and where its answer is worked out."""

from pathlib import Path
from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class WhereQuestionSettings(StrictSettings):
    """Section, genes and tiles of the question `where`, and what maps are held against."""

    section: str | None = None
    """Id of the section; by default the first that the predictors were not trained on."""
    genes: Names = ()
    """Ids or symbols of the genes; by default the one with the best score on held-out patients."""
    tiles: Names = ()
    """Ids of the spots whose tiles are explained pixel by pixel; by default those with the highest
    and the lowest prediction of the first gene, and two at random."""
    attribution: bool = True
    """Explain tiles pixel by pixel: it takes longer than all the rest."""
    deletion: bool = True
    """Remove the best-ranked tiles, and keep them alone, beside random tiles. For models that do
    not read bags, every tile is blurred and encoded once more."""
    labels: Path | None = None
    """Hold maps against labels: a table with a column `label` and either `spot`, or `x` and `y`
    (array units)."""
    other_genes: Names = ()
    """Hold maps against the predictions of these genes. Measured values of the same gene are taken
    wherever the section has them."""
    mask: Path | None = None
    """Hold maps against an area: GeoJSON polygons in level-0 px, or a picture that is not zero
    inside."""
    against: Path | None = None
    """Hold maps against a second slide with immunohistochemistry (haematoxylin and DAB)."""
    points: Path | None = None
    """Landmarks of the second slide, or of a mask drawn on another image: a table with the columns
    x and y of the section's slide, and x2 and y2 of the other one, in level-0 px."""


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
