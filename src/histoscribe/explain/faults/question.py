"""The question `faults`: its settings, and where its answer is worked out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class FaultsQuestionSettings(StrictSettings):
    """Which tissue and classes the question `faults` is about."""

    sections: Names = ()
    """Ids of the sections; by default all of the cohort."""
    facts: Names = ()
    """Columns of the cohort whose classes are compared, e.g. `site`, `sex` or `subtype`; by default
    all in which several patients share a class.
    """
    labels: Mapping[str, Path] = {}
    """For a section, a table with a column `label` and either `spot`, or `x` and `y` (array
    units); of training sections, too, to count their spots.
    """
    reduce: Annotated[str | None, Field(pattern=r"^[^=]+=.+$")] = None
    """An experiment instead: a class of patients as `FACT=CLASS`, e.g. `subtype=CMS2`. The model is
    trained again with 0, 1, 2 and all patients of this class.
    """
    draws: Annotated[int, Field(ge=2, le=20)] = 5
    """Repetitions of the experiment, each with other held-out patients and another seed."""


def _plan(request: "ExplainRequest", settings: FaultsQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.faults.plan import plan_faults

    return plan_faults(request, settings)


FAULTS = Question(
    name="faults",
    summary="For whom does it fail, and what else does it know?",
    settings=FaultsQuestionSettings,
    plan=_plan,
)
