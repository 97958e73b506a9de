"""Views of everything that a user names: files of predictions, and folders of runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.viewer.prediction_view import view_of_prediction
from histoscribe.viewer.slide_view import SlideView


def open_views(
    predictions: Sequence[Path], slides: Mapping[str, Path], sections: Sequence[str] = ()
) -> tuple[SlideView, ...]:
    """Views of all predictions, in the order given.

    Parameters
    ----------
    predictions
        Files of `predict`.
    slides
        Slide by the name of its section; under an empty name that of the only section.
    sections
        Sections to view; all if empty.

    Raises
    ------
    DataContractError
        listing every file that cannot be viewed.
    """
    views: list[SlideView] = []
    problems: list[Problem] = []
    for path in predictions:
        try:
            views.append(view_of_prediction(path, slides.get("")))
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    return tuple(_named(views))


def _named(views: Sequence[SlideView]) -> list[SlideView]:
    """Views whose names differ: the predictor follows where a section is viewed twice."""
    times = Counter(view.name for view in views)
    return [
        replace(view, name=f"{view.name}, {view.head.predictor}") if times[view.name] > 1 else view
        for view in views
    ]
