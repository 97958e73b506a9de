"""Which spots are trained on and which are tested."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

SpotRows = Mapping[str, Int[np.ndarray, " _"]]
"""Section id -> the rows of its spots that belong, ascending."""


@dataclass(frozen=True, eq=False)
class Inner:
    """One inner split of a fold's training spots: fit on one part, choose on the other."""

    fit: SpotRows
    val: SpotRows


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer split; `test` is opened once, after every choice was made on `inner`."""

    name: str
    """The test patients (or sections, under a leaky protocol), joined by `+`."""
    protocol: str
    """`patient`, or one of the leaky ones: `section`, `spot`."""
    train: SpotRows
    test: SpotRows
    inner: tuple[Inner, ...]
    """Splits of `train`; empty where there is too little to split."""
    validation: str
    """What `inner` holds out: `patient`, `section`, `block` or `none`."""
