"""The question `latent`: its settings, and where its answer is worked out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class LatentQuestionSettings(StrictSettings):
    """Which sections and labels the question `latent` is about."""

    sections: Names = ()
    """Ids of the sections; by default all of the cohort."""
    labels: Mapping[str, Path] = {}
    """For a section, a table with a column `label` and either `spot`, or `x` and `y` (array
    units)."""


def _plan(request: "ExplainRequest", settings: LatentQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.latent.plan import plan_latent

    return plan_latent(request, settings)


LATENT = Question(
    name="latent",
    summary="Does a network group spots by their tissue, or by their patient or stain?",
    settings=LatentQuestionSettings,
    plan=_plan,
    predictors="at least one",
)
