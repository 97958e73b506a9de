"""The question `discover`: its settings, and where its answer is worked out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class DiscoverQuestionSettings(StrictSettings):
    """Hypotheses of the question `discover`: where it looks for them, or the file to test."""

    hypotheses: Path | None = None
    """File of frozen hypotheses, tested on patients who were not in training. Without one,
    hypotheses are looked for in the training patients of the predictor, and frozen."""
    sections: Names = ()
    """Ids of the sections; by default all of training patients, or all of other patients."""
    labels: Mapping[str, Path] = {}
    """For a section, a table with a label of each spot: every label is a region."""
    genes: Names = ()
    """Genes to look at, by id or symbol; by default the whole panel."""
    measures: Names = ()
    """Measures of tiles to look at; by default all but those of the stain itself."""
    known: Path | None = None
    """CSV table with columns gene and concept, of what is known already."""
    least_effect: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Smallest size of the mean rank correlation over training patients that is a hypothesis."""
    most: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Number of hypotheses that are frozen at most: those with the largest effects."""
    tiles: Annotated[int, Field(ge=20, le=3000)] = 300
    """Number of spots of each section that are read, drawn at random."""


def _plan(request: "ExplainRequest", settings: DiscoverQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.discover.plan import plan_discover

    return plan_discover(request, settings)


DISCOVER = Question(
    name="discover",
    summary="Is it new: do genes follow tissue in patients whom nobody has looked at?",
    settings=DiscoverQuestionSettings,
    plan=_plan,
)
