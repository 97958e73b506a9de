"""Measures of the training tiles that steer a training, as multiples of their deviation."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int

from histoscribe.data.tile_measures.section_measures import bag_means, section_measures
from histoscribe.errors import DataContractError, Problem
from histoscribe.train.run_data import RunData
from histoscribe.types import Fold

_CONSTANT = 1e-9


def concept_values(run_data: RunData, fold: Fold) -> Float32[np.ndarray, "N C"] | None:
    """Measures of the tiles of training spots, row by row of their table; None if none steers.

    Each is given as multiples of its deviation from its mean, both over the unchanged spots. A
    jittered view is measured as its tiles are.

    Raises
    ------
    DataContractError
        for measures that no training tile has, or that are the same in all.
    """
    names = run_data.settings.steer.measures
    if not names:
        return None
    parts, tiles = sorted(fold.train.items()), run_data.tiles
    values = np.concatenate(
        [
            section_measures(
                run_data.cohort[section],
                tiles.view(fold, section, view),
                names,
                cache=run_data.cache,
                slide_look=tiles.slide_look(section),
            )[rows]
            for view in range(1 + tiles.n_views)
            for section, rows in parts
        ]
    )
    return _standardised(values, sum(len(rows) for _, rows in parts), names, fold)


def bag_concept_values(
    run_data: RunData, fold: Fold, runs: Sequence[Int[np.ndarray, " _"]]
) -> Float32[np.ndarray, "M C"] | None:
    """Mean measures of training bags, each as multiples of its deviation; None if none steers.

    `runs` are the rows of each bag among the tiles of all sections. Raises as `concept_values`.
    """
    names, tiles = run_data.settings.steer.measures, run_data.tiles.geometry(None)
    if not names:
        return None
    values = [
        section_measures(section, tiles, names, cache=run_data.cache)
        for section in run_data.cohort
        if len(section.spots)
    ]
    return _standardised(bag_means(np.concatenate(values), runs), len(runs), names, fold)


def _standardised(
    values: Float32[np.ndarray, "N C"], n_first: int, names: tuple[str, ...], fold: Fold
) -> Float32[np.ndarray, "N C"]:
    """Values as multiples of their deviation from their mean, both over the first `n_first`."""
    first = values[:n_first].astype(np.float64)
    if problems := _problems(first, names, fold):
        raise DataContractError(problems)
    mean, deviation = np.nanmean(first, axis=0), np.nanstd(first, axis=0)
    return ((values - mean) / deviation).astype(np.float32)


def _problems(values: np.ndarray, names: tuple[str, ...], fold: Fold) -> list[Problem]:
    problems = []
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        if known.size and np.ptp(known) > _CONSTANT * max(1.0, np.abs(known).max()):
            continue
        found = f"{known[0]:g} in every tile that has it" if known.size else "undefined in all"
        problems.append(
            Problem(
                where=f"settings, steer: {name}, training spots of fold {fold.name}",
                found=found,
                expected="a measure that differs between tiles",
                remedy="leave it out, or name another measure",
            )
        )
    return problems
