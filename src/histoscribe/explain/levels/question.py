"""The question `levels`: its settings, and where its answer is worked out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


class LevelsQuestionSettings(StrictSettings):
    """Which gene and sections the question `levels` is about, and what readers get or gave."""

    gene: str | None = None
    """Id or symbol of the gene; by default the one with the best score on held-out patients."""
    sections: Names = ()
    """Ids of the sections; by default all of the cohort."""
    by: Literal["measured", "predicted"] = "measured"
    """Values that make the seven levels: measured ones, or those that the model predicts."""
    concepts: Names = ()
    """Measures of tiles, e.g. `haematoxylin_density`; by default all that the um/px allow."""
    sheet: bool = False
    """Write a reading sheet, too: tiles of high and low levels in random order without any name, a
    form to fill, and the key in a folder of its own."""
    read: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()
    """Filled forms, one for each reader, to score instead of an answer; the name of the file is the
    name of the reader."""
    key: Path | None = None
    """The key of the sheet that the readers filled in."""


def _plan(request: "ExplainRequest", settings: LevelsQuestionSettings) -> "AnswerPlan":
    if settings.read or settings.key is not None:
        from histoscribe.explain.levels.reading import plan_reading

        return plan_reading(request, settings)
    from histoscribe.explain.levels.answer import plan_levels

    return plan_levels(request, settings)


LEVELS = Question(
    name="levels",
    summary="What do tiles of high and of low expression look like?",
    settings=LevelsQuestionSettings,
    plan=_plan,
    bulk="optional",
)
