"""The question `robust`: its settings, and where its answer is worked out."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str | int | float) else value


Steps = Annotated[tuple[float, ...], BeforeValidator(_listed)]


class RobustQuestionSettings(StrictSettings):
    """Which changes of the image the question `robust` tries, and how strong they are."""

    sections: Names = ()
    """Ids of the sections; by default all that were not in training."""
    genes: Names = ()
    """Ids or symbols of the genes; by default all, or the 20 with the best scores on held-out
    patients."""
    changes: Names = ()
    """Among `tile-stain`, `slide-stain`, `blur`, `coarser`, `finer`, `compression`, `rotation` and
    `gradient`; by default all that the model and the images allow."""
    stains: Steps = (0.05, 0.1, 0.2, 0.4)
    """Gains of haematoxylin, eosin and DAB lie within 1 +- this value, shifts of their optical
    density within +- this value, above 0 and up to 0.9; drawn for each tile (`tile-stain`) or for
    each slide (`slide-stain`)."""
    blurs: Steps = (0.5, 1.0, 2.0, 4.0, 8.0)
    """Deviation of the Gaussian in um, above 0 and up to a quarter of the side of a tile."""
    factors: Steps = (1.25, 1.5, 2.0)
    """The um/px of the slide are so many times what is stated (`coarser`), or the stated ones are
    so many times the real ones (`finer`); above 1 and up to 4."""
    jpegs: Steps = (95.0, 80.0, 60.0, 40.0, 20.0)
    """Quality of JPEG, a whole number of 1 to 100; each tile is compressed by itself."""
    angles: Steps = (15.0, 45.0, 90.0, 180.0)
    """Angle of the turn in degrees, above 0 and below 360."""
    greys: Steps = (1.0, 2.0, 4.0)
    """Largest change of a pixel along the gradient and at random: a whole number of grey levels of
    1 to 32."""


def _plan(request: "ExplainRequest", settings: RobustQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.robust.plan import plan_robust

    return plan_robust(request, settings)


ROBUST = Question(
    name="robust",
    summary="How much of a score survives another stain, blur, scale, compression or noise?",
    settings=RobustQuestionSettings,
    plan=_plan,
)
