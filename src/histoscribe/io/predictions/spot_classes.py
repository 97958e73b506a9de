"""Coloured classes of spots by the value of a gene, for viewers without a colour scale."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_GREY = (160, 160, 160)


@dataclass(frozen=True, eq=False)
class SpotClasses:
    """Named classes of spots."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    """Red, green and blue of each class, 0 to 255."""
    of_spot: Int[np.ndarray, " N"]
    """Class of each spot."""


def fifths(gene: str, values: Float[np.ndarray, " N"]) -> SpotClasses:
    """Classes of spots by fifths of a gene's values, from the lowest (dark) to the highest.

    Equal values are in one class. A constant gene has a single class; spots without a value have
    the class `not trusted`, in grey.

    >>> classes = fifths("ERBB2", np.array([0.0, 1.0, 2.0, 3.0, np.nan]))
    >>> [classes.names[of] for of in classes.of_spot]  # doctest: +NORMALIZE_WHITESPACE
    ['ERBB2 1 of 5 (lowest)', 'ERBB2 2 of 5', 'ERBB2 4 of 5', 'ERBB2 5 of 5 (highest)',
     'ERBB2 not trusted']
    """
    given = np.isfinite(values)
    n_classes = len(_VIRIDIS)
    names = [f"{gene} {number} of {n_classes}" for number in range(1, n_classes + 1)]
    names[0], names[-1] = f"{names[0]} (lowest)", f"{names[-1]} (highest)"
    colours: tuple[tuple[int, int, int], ...] = _VIRIDIS
    place = np.zeros(len(values), dtype=np.int64)
    if len(np.unique(values[given])) < 2:
        names, colours = [f"{gene} constant"], _VIRIDIS[n_classes // 2 :][:1]
    else:
        edges = np.quantile(values[given], np.arange(1, n_classes) / n_classes)
        place[given] = np.searchsorted(edges, values[given])
    place[~given] = len(names)
    return SpotClasses((*names, f"{gene} not trusted"), (*colours, _GREY), place)
