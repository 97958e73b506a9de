"""Checks of predictions: NaN or infinite values stop the run, with their place."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from histoscribe.data.items.spots import SpotQueries
from histoscribe.errors import DataContractError, Problem

_MOST = 5  # places in a message


def check_finite_spots(
    queries: SpotQueries, columns: Mapping[str, Float[np.ndarray, "N _"]]
) -> None:
    """Check the predicted values and outputs of spots; the message names sections and spots.

    Raises
    ------
    DataContractError
        if any of them is NaN or infinite.
    """
    keys = queries.keys
    for name, values in columns.items():
        check_finite(
            values, lambda row: f"section {keys.section_names[row]}, spot {keys.spot[row]}", name
        )


def check_finite(
    values: Float[np.ndarray, "N _"], place: Callable[[int], str], name: str = ""
) -> None:
    """Check predicted values; `place` names a row, `name` an output beside the expression.

    Raises
    ------
    DataContractError
        if any of them is NaN or infinite.
    """
    finite = np.isfinite(values)
    if finite.all():
        return
    rows = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))
    more = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
    what = f" of {name}" if name else ""
    raise DataContractError(
        Problem(
            where="; ".join(place(int(row)) for row in rows[:_MOST]) + more,
            found=f"{int((~finite).sum())} predicted values{what} that are not finite",
            expected="finite numbers for every place and gene",
            remedy="the model has diverged or its input is out of range: train it again, with a "
            "lower learning rate if it is a network, or leave these places out",
        )
    )
