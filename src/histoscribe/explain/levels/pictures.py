"""Figures of an answer: the contact sheet, the levels with their likeness, and the measures."""

from pathlib import Path

import numpy as np

from histoscribe.data.tile_measures.measures import MEASURES
from histoscribe.explain.levels.bins import N_BINS
from histoscribe.explain.levels.choice import N_ON_SHEET
from histoscribe.explain.levels.plan import LevelPlan
from histoscribe.explain.levels.results import LARGEST, LevelResults
from histoscribe.explain.levels.tables import LevelData
from histoscribe.plot.contact_sheet import SheetRow, SheetTile, draw_contact_sheet
from histoscribe.plot.levels import (
    LevelCounts,
    LikenessMatrix,
    MeasureOverLevels,
    draw_levels,
    draw_measures,
)

FIGURES = ("contact-sheet.png", "levels.png", "measures.png")


def draw_pictures(
    plan: LevelPlan, data: LevelData, results: LevelResults, out: Path
) -> tuple[str, ...]:
    """Write the figures and give their names, the contact sheet first."""
    sheet, levels, measures = (out / name for name in FIGURES)
    _draw_sheet(plan, data, sheet)
    _draw_levels(plan, data, results, levels)
    _draw_measures(plan, data, results, measures)
    return FIGURES


def _draw_sheet(plan: LevelPlan, data: LevelData, path: Path) -> None:
    spots, level = data.spots, data.level[data.units]
    what = "spots" if spots.of_patients is None else "patients"
    rows = [
        SheetRow(
            f"level {one + 1}\n{data.bins.words(one)}\n{(level == one).sum()} {what}",
            tuple(
                SheetTile(data.looks.pixels[int(spot)], _lines(data, int(spot)))
                for spot in data.sheets[one]
            ),
        )
        for one in reversed(range(N_BINS))
    ]
    side_um = plan.predictor.encoding.tile_px * plan.predictor.encoding.mpp
    below = (
        f"Tiles are {side_um:.0f} µm a side, as the model reads them. {_rule(data)} They "
        "are of as many patients as possible.\n"
        f"Levels are bins of {plan.by} values ({plan.predictor.target.unit}); the lowest and the "
        "highest are open."
    )
    title = f"{plan.label}: what {plan.by} high and low look like, by {plan.predictor.name}"
    draw_contact_sheet(rows, title, below, path, n_columns=N_ON_SHEET)


def _rule(data: LevelData) -> str:
    if data.spots.attention is not None:
        return "In each level, those with most attention (1 = the same for all tiles)."
    if data.spots.of_patients is not None:
        return "In each level, those whose prediction is farthest from the median tile."
    return (
        "In each level, those with the most extreme prediction: the highest in levels 5 to 7, the "
        "lowest in 1 to 3, in level 4 the farthest from the median."
    )


def _lines(data: LevelData, spot: int) -> tuple[str, ...]:
    spots = data.spots
    section = spots.sections[spots.section[spot]]
    subtype = spots.subtype(spot)
    measured = data.measured[spot]
    of_measured = [] if np.isnan(measured) else [f"measured {measured:.2f}"]
    attention = [] if spots.attention is None else [f"attention {spots.attention[spot]:.2f}"]
    return (
        f"{spots.patients[spots.patient[spot]]}, {section.id}",
        *([subtype] if subtype else ["subtype unknown"]),
        *of_measured,
        f"predicted {data.predicted[spot]:.2f}",
        *attention,
    )


def _draw_levels(plan: LevelPlan, data: LevelData, results: LevelResults, path: Path) -> None:
    units = data.units
    values = {"measured": data.measured[units], "predicted": data.predicted[units]}
    counts = {
        name: np.bincount(data.bins.of(of), minlength=N_BINS)
        for name, of in values.items()
        if not np.isnan(of).any()
    }
    histogram = LevelCounts(
        counts,
        tuple(data.bins.words(one) for one in range(N_BINS)),
        plan.predictor.target.unit,
        "spots" if data.spots.of_patients is None else "patients",
    )
    matrices = [
        LikenessMatrix(
            f"{words}\nwithin less between {_with_range(results, f'{name}_difference')}", means
        )
        for name, words, means in (
            ("ssim", f"structural similarity, {results.n_structure} tiles", results.structure[0]),
            ("cosine", f"encoder's features, {len(data.sample)} tiles", results.features[0]),
        )
    ]
    below = (
        f"Levels are bins of {plan.by} values; predictions are counted in the same bins. Pairs are "
        "of tiles of different patients; an empty cell has no pair. In brackets: range with labels "
        "permuted over patients."
    )
    title = f"{plan.label}, {plan.predictor.name}: values in seven levels, and likeness of tiles"
    draw_levels(histogram, matrices, title, below, path)


def _draw_measures(plan: LevelPlan, data: LevelData, results: LevelResults, path: Path) -> None:
    by_name = {measure.name: measure for measure in MEASURES}
    means = data.concept_means()
    measures = [
        MeasureOverLevels(
            f"{name}\ntrend {_with_range(results, f'trend_{name}')}",
            by_name[name].unit,
            means[:, :, at],
            joined=data.spots.of_patients is None,
        )
        for at, name in enumerate(data.concepts)
    ]
    largest = results[LARGEST]
    of = "within patients" if data.spots.of_patients is None else "over patients"
    below = (
        f"Blue: means of the tiles of a patient; red: mean over patients. Trend: rank correlation "
        f"{of}; in brackets the range with labels permuted over patients. Of many measures some "
        f"are outside by chance: all together deviate by {largest.value:.1f}, by chance at most "
        f"{_high(results, LARGEST):.1f}."
    )
    title = f"{plan.label}: measures of {len(data.sample)} tiles over seven levels"
    draw_measures(measures, title, below, path)


def _with_range(results: LevelResults, name: str) -> str:
    number, chance = results[name], results[name].by_chance
    if np.isnan(number.value) or chance.low is None or chance.high is None:
        return "undefined"
    digits = 3 if name.startswith("ssim") else 2
    low, high = (f"{end:.{digits}f}" for end in (chance.low, chance.high))
    return f"{number.value:.{digits}f} ({low} to {high})"


def _high(results: LevelResults, name: str) -> float:
    high = results[name].by_chance.high
    return float("nan") if high is None else high
