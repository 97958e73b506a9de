"""A question as a newcomer would add it: this file, and one name in `QUESTIONS`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class CountQuestionSettings(StrictSettings):
    """Which spots the question `count` counts."""

    at_least: int = 0
    """Smallest number of counts of a spot."""
    side_um: float | None = None
    """Side of the square to count in, um."""
    word: Literal["spots", "places"] = "spots"
    """What the table calls a spot."""
    patients: Names = ()
    """Patients to count; by default all."""
    files: Mapping[str, Path] = {}
    """For a section, a file that is named in the answer."""
    by_section: bool = False
    """Count each section by itself."""


def _plan(request: "ExplainRequest", settings: CountQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.finding import Finding, Number
    from histoscribe.explain.request import AnswerPlan

    sections = tuple(
        section
        for section in request.cohort
        if not settings.patients or section.patient in settings.patients
    )
    about = {"settings": settings.model_dump_json()}

    def work(out: Path) -> Finding:
        (out / "count.csv").write_text("\n".join(section.id for section in sections))
        (out / "count.png").touch()
        n_spots = sum(len(section.spots) for section in sections)
        return Finding(
            question="count",
            about=about,
            folder=out,
            figures=("count.png",),
            tables=("count.csv",),
            statistic=(Number("n_spots", float(n_spots), "spots"),),
            null=(Number("n_predictors", float(len(request.predictors)), "predictors"),),
            caveat=("A count is no explanation.",),
        )

    return AnswerPlan(about=about, sections=sections, work=work)


COUNT = Question(
    name="count",
    summary="How many spots are there?",
    settings=CountQuestionSettings,
    plan=_plan,
    predictors="any number",
    needs_cohort=False,
)
