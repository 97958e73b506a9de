"""The question `grad-cam`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class GradCamQuestionSettings(StrictSettings):
    """Which section, genes and windows the question `grad-cam` is about."""

    section: str | None = None
    """Id of the section; by default the first that the predictor was not trained on."""
    genes: Names = ()
    """Ids or symbols of the genes; by default the one with the best score on held-out patients."""
    spots: Names = ()
    """Ids of the spots whose windows are drawn; by default those with the highest and the lowest
    predicted value of the first gene, and two at random."""


def _plan(request: "ExplainRequest", settings: GradCamQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.grad_cam.answer import plan_grad_cam

    return plan_grad_cam(request, settings)


GRAD_CAM = Question(
    name="grad-cam",
    summary="Which parts of a window raise the prediction of a gene, and is that learned?",
    settings=GradCamQuestionSettings,
    plan=_plan,
)
