"""Figures of the question `pathways`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.cluster.hierarchy import leaves_list, linkage

from histoscribe.explain.pathways.border import N_BANDS
from histoscribe.explain.pathways.compared_section import ComparedSection
from histoscribe.explain.pathways.over_patients import RANDOM_SETS, SMOOTH_MAPS, mean_defined
from histoscribe.explain.pathways.results import PathwayResults, mean_pairs
from histoscribe.plot.border_profiles import BorderProfile, draw_border_profiles
from histoscribe.plot.map_sheet import MapPanel, draw_map_sheet
from histoscribe.plot.pair_matrices import PathwayMatrix, draw_pair_matrices
from histoscribe.plot.set_ranges import SetRange, draw_set_ranges
from histoscribe.ties import best_first

MAPS, SETS, ATTENTION, BORDER = "maps.png", "sets.png", "attention.png", "border.png"
_UNIT = "z-score, mean over genes"


def draw_figures(
    results: PathwayResults, names: Sequence[str], title: str, out: Path
) -> tuple[str, ...]:
    """Draw the maps of some pathways, all pathways beside chance, attention, and profiles."""
    drawn = [results.names.index(name) for name in names] or _by_rule(results)
    _draw_maps(results, drawn, title, out / MAPS)
    _draw_sets(results, title, out / SETS)
    figures = [MAPS, SETS]
    if results.pairs is not None:
        _draw_attention(results, results.pairs.of_pathways, title, out / ATTENTION)
        figures.append(ATTENTION)
    if results.border is not None:
        _draw_border(results, drawn, title, out / BORDER)
        figures.append(BORDER)
    return tuple(figures)


def _by_rule(results: PathwayResults) -> list[int]:
    """The pathways with the highest, the median and the lowest correlation, each once."""
    order = best_first(np.nan_to_num(results.scores.of_pathways, nan=-2.0))
    return [int(order[place]) for place in dict.fromkeys((0, len(order) // 2, len(order) - 1))]


def _draw_maps(results: PathwayResults, drawn: Sequence[int], title: str, path: Path) -> None:
    section = results.sections[0]
    panels = [panel for place in drawn for panel in _panels(section, results.names[place], place)]
    below = (
        f"Section {section.section.id} of patient {section.patient}. Measured activity is of genes "
        "that the training did not use. r is the correlation with it over the spots of this "
        "section, given depth. Attention is the logarithm of the weight of each spot for the "
        "pathway, mean over heads and layers."
    )
    draw_map_sheet(section.section, panels, title, below, path)


def _panels(section: ComparedSection, name: str, place: int) -> list[MapPanel]:
    of_score, of_attention = section.of_scores.value[place], section.of_attention
    score = MapPanel(f"{name}\nscore, r {of_score:.2f}", section.scores[:, place], "score")
    middle = MapPanel("measured, genes of the training", section.trained[:, place], _UNIT)
    if of_attention is not None:
        words = f"attention, r {of_attention.value[place]:.2f}"
        middle = MapPanel(words, section.attention[:, place], "log weight")
    measured = MapPanel("measured, genes outside", section.measured[:, place], _UNIT)
    return [score, middle, measured]


def _draw_sets(results: PathwayResults, title: str, path: Path) -> None:
    parts = [("score", results.scores)]
    if results.attention is not None:
        parts.append(("attention", results.attention))
    order = best_first(np.nan_to_num(results.scores.of_pathways, nan=-2.0))
    columns = {}
    for words, agreement in parts:
        sets, smooth = agreement.ranges(RANDOM_SETS), agreement.ranges(SMOOTH_MAPS)
        columns[f"{words} and measured activity"] = [
            SetRange(
                results.names[at],
                float(agreement.of_pathways[at]),
                (float(sets[0, at]), float(sets[1, at])),
                (float(smooth[0, at]), float(smooth[1, at])),
            )
            for at in order
        ]
    draw_set_ranges(columns, f"{title}: correlation given depth, mean over patients", path)


def _draw_attention(
    results: PathwayResults, r: Float[np.ndarray, " M"], title: str, path: Path
) -> None:
    attention, likeness = mean_pairs(results.sections)
    order = _order(likeness)
    names = [results.names[at] for at in order]
    grid = np.ix_(order, order)
    hidden = np.eye(len(names), dtype=bool)
    layers = [
        PathwayMatrix(
            f"attention, layer {number}\nrank correlation {r[number]:.2f}",
            np.where(hidden, np.nan, of[grid]),
            "weight, both directions",
        )
        for number, of in enumerate(attention[1:], start=1)
    ]
    measured = PathwayMatrix(
        "measured co-activity", likeness[grid], "correlation given depth", is_signed=True
    )
    draw_pair_matrices([measured, *layers], names, title, path)


def _order(likeness: np.ndarray) -> np.ndarray:
    """Pathways with similar co-activity next to each other."""
    if len(likeness) < 3:
        return np.arange(len(likeness))
    distance = 1 - np.nan_to_num(likeness)
    return leaves_list(linkage(distance[np.triu_indices(len(likeness), 1)], "average"))


def _draw_border(results: PathwayResults, drawn: Sequence[int], title: str, path: Path) -> None:
    labelled = [section.border for section in results.sections if section.border is not None]
    width = max(of.bands.width_um for of in labelled)
    scores = mean_defined(np.stack([of.scores for of in labelled]))
    measured = mean_defined(np.stack([of.measured for of in labelled]))
    smooth = mean_defined(np.stack([of.smooth_maps for of in labelled]))
    low, high = np.percentile(np.nan_to_num(smooth), [2.5, 97.5], axis=0)
    middle = (np.arange(-N_BANDS, N_BANDS) + 0.5) * width
    profiles = [
        BorderProfile(results.names[at], scores[:, at], measured[:, at], low[:, at], high[:, at])
        for at in drawn
    ]
    draw_border_profiles(middle, profiles, f"{title}, labelled sections: {len(labelled)}", path)
