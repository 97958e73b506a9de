"""The project for TissUUmaps of what a user wishes to view."""

from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.tissuumaps import write_tissuumaps
from histoscribe.viewer.views import ViewRequest, open_views


def write_project(request: ViewRequest, project: Path) -> None:
    """Write a project of one prediction over its slide, after the slide was checked.

    Raises
    ------
    DataContractError
        unless there are one file of `predict` and its slide, in the folder of the project or below.
    """
    files, slides = request.predictions, list(request.slides.values())
    if len(files) != 1 or len(slides) != 1 or files[0].is_dir():
        raise DataContractError(
            Problem(
                where=f"--tissuumaps {project}",
                found=f"{len(files)} predictions and {len(slides)} slides",
                expected="one .h5ad file of `predict`, and its slide with --slide",
                remedy="write a project for each; without a slide, TissUUmaps opens the .h5ad "
                "file itself, with the small picture in it",
            )
        )
    (view,) = open_views(request)
    mpp = view.ground().mpp
    if mpp is None:
        raise ValueError("a slide that was opened has a um/px")
    diameter_px = view.head.spots.drawn_um / mpp
    write_tissuumaps(project, slides[0], files[0], view.head, diameter_px)
