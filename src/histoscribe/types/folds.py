"""Folds: training and test spots."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from histoscribe.display import result_html, table_html

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

    def __repr__(self) -> str:
        test, train = _side(self.test), _side(self.train)
        return f"Fold({self.name!r} by {self.protocol}: test {test}; training {train})"

    def _repr_html_(self) -> str:
        """Show both sides in a notebook."""
        return Folds([self])._repr_html_()


class Folds(tuple[Fold, ...]):
    """Folds of a cohort: a tuple that shows itself."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        """Show sections and number of spots of each side in a notebook."""
        columns = ("fold", "protocol", "test", "training", "inner splits")
        rows = [
            (fold.name, fold.protocol, _side(fold.test), _side(fold.train), len(fold.inner))
            for fold in self
        ]
        return result_html("Folds", [("", f"{len(self)} of a cohort")], table_html(columns, rows))


def _side(rows: SpotRows) -> str:
    n_spots = sum(len(spots) for spots in rows.values())
    return f"{', '.join(sorted(rows)) or 'none'} ({n_spots:,} spots)"
