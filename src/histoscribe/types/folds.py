"""Folds: training and test spots."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

SpotRows = Mapping[str, Int[np.ndarray, " _"]]
"""Section id -> rows of the included spots, ascending."""


@dataclass(frozen=True, eq=False)
class Inner:
    """One inner split of a fold's training spots: fit on one part, choose on the other."""

    fit: SpotRows
    val: SpotRows


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer split; `test` is read once, after every choice on `inner`."""

    name: str
    """The test patients (or sections, under a leaky protocol), joined by `+`."""
    protocol: str
    """`patient`, or a leaky protocol: `section`, `spot`."""
    train: SpotRows
    test: SpotRows
    inner: tuple[Inner, ...]
    """Splits of `train`; empty if there is too little to split."""
    validation: str
    """Unit that `inner` holds out: `patient`, `section`, `block` or `none`."""
