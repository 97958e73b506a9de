"""Units of foreign predictions: as the caller says or the file states, never guessed."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from histoscribe.benchmark.foreign.model import SectionValues
from histoscribe.benchmark.foreign.sets import PredictionSet
from histoscribe.data.transform import TRANSFORMS
from histoscribe.errors import DataContractError, Problem

Units = str | Mapping[str, str]
"""Unit of all predictions, or of each model by its name."""
_OF_BULK = "as-given"
UNITS = tuple(name for name in TRANSFORMS if name != _OF_BULK)
"""Units that a prediction of spots can have: those of targets."""
_MOSTLY_BELOW = 0.4
"""Share of values below zero that no prediction of a unit without such values has; z-scores have
about half of theirs there.
"""
_REMEDY = (
    "correct the unit, or leave it out: scores that depend on it are then left out, and "
    "correlations stay"
)


def unit_of(
    predictions: PredictionSet, sections: Mapping[str, SectionValues], units: Units | None
) -> str | None:
    """Unit of a model's predictions; None where neither the caller nor a file says.

    Raises
    ------
    DataContractError
        for an unknown unit, one that differs from that of a file, and one that has no values below
        zero where many predicted values are.
    """
    name = predictions.name
    said = units.get(name) if isinstance(units, Mapping) else units
    stated = {table.unit for _, table in predictions.tables if table.unit is not None}
    named = stated | ({said} if said is not None else set())
    where = f"unit of {name}"
    if said is not None and said not in UNITS:
        near = get_close_matches(said, UNITS, n=2)
        expected = f"one of {', '.join(UNITS)}"
        remedy = f"did you mean {' or '.join(near)}? Else {_REMEDY}" if near else _REMEDY
        raise DataContractError(Problem(where, f"no unit {said!r}", expected, remedy))
    if len(named) > 1:
        found = f"several: {', '.join(sorted(named))}"
        raise DataContractError(Problem(where, found, "one unit in all files", _REMEDY))
    unit = next(iter(named), None)
    if unit is None or unit not in UNITS:
        return None
    if TRANSFORMS[unit].non_negative and _share_below_zero(sections) > _MOSTLY_BELOW:
        found = f"{_share_below_zero(sections):.0%} of the values are below zero"
        expected = f"values of {unit} ({TRANSFORMS[unit].unit})"
        raise DataContractError(Problem(where, found, expected, _REMEDY))
    return unit


def unknown_models(units: Units | None, models: list[str]) -> list[Problem]:
    """Problems of units for models that are not scored."""
    names = sorted(set(units) - set(models)) if isinstance(units, Mapping) else []
    expected = f"one of {', '.join(models)}"
    return [
        Problem(f"unit of {name}", "no such model is scored", expected, "correct the name")
        for name in names
    ]


def _share_below_zero(sections: Mapping[str, SectionValues]) -> float:
    n_values = sum(of.values.size for of in sections.values())
    n_below = sum(int(np.count_nonzero(of.values < 0)) for of in sections.values())
    return n_below / max(n_values, 1)
