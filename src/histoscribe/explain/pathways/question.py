"""The question `pathways`: its settings, and where its answer is worked out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class PathwaysQuestionSettings(StrictSettings):
    """Which genes, sections and labels the question `pathways` is about."""

    retrain: bool = True
    """Train the model again without half of the genes of each set, and measure activity by these.
    Without, activity is measured by genes of the sets outside the panel."""
    gene_sets: str | None = None
    """Without `retrain`: the GMT file of the training, where its settings name another place."""
    pathways: Names = ()
    """Pathways to draw, at most four; by default those with the highest, the median and the lowest
    correlation."""
    sections: Names = ()
    """Ids of the sections; by default all of the cohort that the predictor was not trained on."""
    labels: Mapping[str, Path] = {}
    """For a section, a table with a column `label` and either `spot`, or `x` and `y` (array
    units)."""
    border: str | None = None
    """Label whose border to the other labels gives the distance, e.g. `invasive cancer`."""


def _plan(request: "ExplainRequest", settings: PathwaysQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.pathways.plan import plan_pathways

    return plan_pathways(request, settings)


PATHWAYS = Question(
    name="pathways",
    summary="Do scores and attention of pathways follow genes that no training used?",
    settings=PathwaysQuestionSettings,
    plan=_plan,
)
