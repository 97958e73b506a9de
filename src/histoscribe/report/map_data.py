"""Data of the maps, as plain values for the page's script."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.views import View
from histoscribe.report.figures import Figure, embedded
from histoscribe.report.pack import PLACE_LEVELS, Packed, pack
from histoscribe.report.page_budget import Choice, Room
from histoscribe.report.run import Run
from histoscribe.report.summary import HEADLINE

_TISSUE_WIDTHS_PX = (900, 600, 400, 250)
_UNDEFINED = -32_768

Scores = Mapping[tuple[str, str, str, str], Mapping[str, float]]
"""(metric, model, fold, section) -> gene -> score."""


def map_data(run: Run, choice: Choice, genes: Sequence[str], room: Room) -> dict[str, Any]:
    """Maps of the sections; `genes` gives the numbers by which the script knows the genes."""
    tissue = _tissue(choice.views, room)
    scores = _section_scores(run.scores, choice)
    number = {gene: place for place, gene in enumerate(genes)}
    return {
        "levels": choice.levels,
        "signed": is_signed(choice.views),
        "views": [
            {**_view(view, number, choice, scores), "tissue": tissue.get(place)}
            for place, view in enumerate(choice.views)
        ],
    }


def is_signed(views: Sequence[View]) -> bool:
    """Whether zero is inside the range of the target, as with residuals."""
    return any(bool((view.measured.values < 0).any()) for view in views)


def _tissue(views: Sequence[View], room: Room) -> dict[int, dict[str, Any]]:
    """Picture and corners of each tissue, as far as they fit on the page."""
    pictures = [(place, *view.tissue) for place, view in enumerate(views) if view.tissue]
    # a section of two folds has one picture, but is shown with it twice
    files = list(dict.fromkeys(path for _, path, _ in pictures))
    small: dict[Any, Figure] = dict(
        zip(files, embedded(files, room.tissue, _TISSUE_WIDTHS_PX), strict=False)
    )
    return {
        place: {"uri": small[path].uri, **asdict(corners)}
        for place, path, corners in pictures
        if path in small
    }


def _section_scores(scores: pd.DataFrame, choice: Choice) -> Scores:
    wanted = scores[
        scores["metric"].isin(HEADLINE)
        & scores["model"].isin(choice.models)
        & scores["gene"].isin(choice.genes)
        & (scores["section"] != "*")
    ]
    levels = ["metric", "model", "fold", "section"]
    return {
        (str(metric), str(model), str(fold), str(section)): dict(
            zip(rows["gene"], rows["value"], strict=True)
        )
        for (metric, model, fold, section), rows in wanted.groupby(levels, sort=False)
    }


def _view(view: View, number: Mapping[str, int], choice: Choice, scores: Scores) -> dict[str, Any]:
    measured = view.measured
    column = {gene: place for place, gene in enumerate(measured.genes)}
    genes, shared = (
        [gene for gene in of if gene in column] for of in (choice.genes, choice.shared)
    )
    return {
        "section": measured.section,
        "patient": measured.patient,
        "fold": measured.fold if _is_twice(view, choice.views) else None,
        "diameter": round(measured.diameter_um, 1),
        "shape": measured.shape,
        "nSpots": view.n_spots,
        "places": asdict(pack(measured.xy_um, PLACE_LEVELS)),
        "genes": [number[gene] for gene in genes],
        "shared": [number[gene] for gene in shared],
        "measured": asdict(_packed(measured.values, [column[gene] for gene in genes], choice)),
        "predicted": {
            model: _predicted(
                view, model, genes if model == choice.best else shared, scores, choice
            )
            for model in choice.models
        },
    }


def _predicted(
    view: View, model: str, genes: Sequence[str], scores: Scores, choice: Choice
) -> dict[str, Any]:
    measured = view.measured
    about = model, measured.fold, measured.section
    columns = [measured.genes.index(gene) for gene in genes]
    return {
        **asdict(_packed(view.predicted(model), columns, choice)),
        "scores": {
            metric: _thousandths([scores.get((metric, *about), {}).get(gene) for gene in genes])
            for metric in HEADLINE
        },
    }


def _packed(values: Float[np.ndarray, "N G"], columns: Sequence[int], choice: Choice) -> Packed:
    return pack(values[:, columns], choice.levels)


def _is_twice(view: View, views: Sequence[View]) -> bool:
    return sum(other.measured.section == view.measured.section for other in views) > 1


def _thousandths(values: Sequence[float | None]) -> str:
    """Scores as shown, with three digits: base64 of little-endian int16."""
    scores: Float[np.ndarray, " n"] = np.array(values, dtype=np.float64)
    codes = np.where(np.isfinite(scores), np.rint(scores * 1000), _UNDEFINED)
    return b64encode(codes.astype("<i2").tobytes()).decode("ascii")
