"""Views of everything that a user names: files of predictions, and folders of runs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.bulk_file import FILE as BULK_FILE
from histoscribe.io.predictions.stored_prediction import EXPECTED, is_zarr
from histoscribe.io.run_folder import CARD
from histoscribe.near_names import did_you_mean
from histoscribe.viewer.findings import ViewedFinding, findings_about, read_findings
from histoscribe.viewer.prediction_view import view_of_prediction
from histoscribe.viewer.slide_view import SlideView

ONLY = ""
"""Name under which the slide of the only section is given."""


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """Predictions to view, with their slides."""

    predictions: tuple[Path, ...]
    """Files of `predict` or folders of them, and run folders of `benchmark`."""
    slides: Mapping[str, Path] = field(default_factory=dict)
    """Slide by the name of its section, or under `ONLY`."""
    sections: tuple[str, ...] = ()
    """Sections to view; all if empty."""
    model: str | None = None
    """Model of the runs; the best one if None."""
    findings: tuple[Path, ...] = ()
    """Folders that `explain` wrote."""


def open_views(request: ViewRequest) -> tuple[SlideView, ...]:
    """Views of all predictions, in the order given.

    Raises
    ------
    DataContractError
        listing every file that cannot be viewed, and sections and slides that belong to none.
    """
    request = _of_only_section(request)
    views: list[SlideView] = []
    problems: list[Problem] = []
    findings: tuple[ViewedFinding, ...] = ()
    try:
        findings = read_findings(request.findings)
    except DataContractError as error:
        problems += error.problems
    for path in request.predictions:
        try:
            views += _views_of(path, request)
        except DataContractError as error:
            problems += error.problems
    problems = problems or list(_mismatches(views, request))
    if problems:
        raise DataContractError(problems)
    wanted = request.sections or tuple(view.head.section for view in views)
    kept = [view for view in views if view.head.section in wanted]
    return tuple(
        replace(view, findings=findings_about(findings, view.head.section)) for view in _named(kept)
    )


def _of_only_section(request: ViewRequest) -> ViewRequest:
    """The request with a slide without a section given to the one that is named."""
    if ONLY not in request.slides or len(request.sections) != 1:
        return request
    slides = {name or request.sections[0]: file for name, file in request.slides.items()}
    return replace(request, slides=slides)


def _views_of(path: Path, request: ViewRequest) -> list[SlideView]:
    if (path / CARD).is_file():
        # the measured values of runs are read by rooms that need torch, which takes seconds
        from histoscribe.viewer.run_views import views_of_run

        return views_of_run(path, request.model, request.slides)
    if not path.is_dir() or is_zarr(path):
        return [view_of_prediction(path, request.slides)]
    files = sorted(file for file in path.glob("*.h5ad") if file.name != BULK_FILE)
    if not files:
        expected = f"{EXPECTED}; a folder of these; or the folder of a finished `benchmark`"
        found = "a folder without predictions"
        raise DataContractError(Problem(str(path), found, expected, "check the path"))
    return [view_of_prediction(file, request.slides) for file in files]


def _mismatches(views: Sequence[SlideView], request: ViewRequest) -> Iterator[Problem]:
    """Problems of sections and slides that belong to no view, and of a slide for several."""
    known = sorted({view.head.section for view in views})
    given = [("--section", name) for name in request.sections]
    given += [("--slide", name) for name in request.slides if name != ONLY]
    for option, name in given:
        if name not in known:
            remedy = did_you_mean(name, known, "choose one of these")
            some = ", ".join(known[:10])
            yield Problem(f"{option} {name}", "no such section", f"one of {some}", remedy)
    if ONLY in request.slides and len(known) > 1:
        yield Problem(
            where=f"--slide {request.slides[ONLY]}",
            found=f"{len(known)} sections",
            expected="the name of the section that was cut from this slide",
            remedy=f"write it in front, e.g. --slide {known[0]}={request.slides[ONLY]}",
        )


def _named(views: Sequence[SlideView]) -> list[SlideView]:
    """Views whose names differ: the predictor follows where a section is viewed twice."""
    times = Counter(view.name for view in views)
    return [
        replace(view, name=f"{view.name}, {view.head.predictor}") if times[view.name] > 1 else view
        for view in views
    ]
