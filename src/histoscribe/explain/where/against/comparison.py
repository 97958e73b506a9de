"""All maps of an answer held against everything that was given, with numbers and a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.finding import Number
from histoscribe.explain.where.against.reference import AgainstResult, MapReference, held_against
from histoscribe.explain.where.spot_map import SpotMap

_SEED = 0  # of the random maps; nobody needs another one
_CAVEATS = {
    "label": "Labels name tissue, not expression: a map that follows them may show the tissue type "
    "alone.",
    "stain": "Immunohistochemistry shows protein, on another slice, which need not follow the RNA "
    "that the prediction is of.",
    "measured": "Measured spots are noisy: even a perfect map does not reach a correlation of 1.",
}


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """Maps against references."""

    results: tuple[tuple[SpotMap, AgainstResult], ...]

    @property
    def statistic(self) -> tuple[Number, ...]:
        """Numbers of the first map, and those of the references themselves."""
        numbers = [number for result in self._first for number in result.statistic]
        own = [number for result in self._first for number in result.reference.numbers]
        return (*numbers, *dict.fromkeys(own))

    @property
    def null(self) -> tuple[Number, ...]:
        """Numbers of the first map by chance."""
        return tuple(number for result in self._first for number in result.null)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Limits of what the references say of the maps."""
        if not self.results:
            return ()
        notes = [note for result in self._first for note in result.reference.notes]
        kinds = {result.reference.name.split("_")[0] for _, result in self.results}
        words = [text for kind, text in _CAVEATS.items() if kind in kinds]
        head = (
            f"The numbers that a map was held against are of the {self.results[0][0].name}; the "
            "table has those of the other maps."
        )
        return (head, *dict.fromkeys(notes), *words)

    @property
    def table(self) -> pd.DataFrame:
        """One line for each map and reference."""
        rows = []
        for of, result in self.results:
            row: dict[str, object] = {
                "gene": of.label,
                "map": of.kind,
                "reference": result.reference.name,
                "spots": result.n_spots,
                "positive": result.n_positive,
            }
            chance = {number.name: number for number in result.null}
            for number in result.statistic:
                measure = number.name.removesuffix(f"_{result.reference.name}")
                row[measure] = number.value
                if number.name in chance:
                    row[f"{measure}_low"] = chance[number.name].low
                    row[f"{measure}_high"] = chance[number.name].high
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def _first(self) -> list[AgainstResult]:
        """Results of the first map."""
        return [result for of, result in self.results if of is self.results[0][0]]


def compare(
    maps: Sequence[SpotMap],
    references_of: Callable[[int], Sequence[MapReference]],
    um: Float[np.ndarray, "N 2"],
) -> Comparison:
    """Hold every map against the references of its gene.

    Parameters
    ----------
    maps
        The maps; the first gives the numbers of the finding.
    references_of
        References of a gene of the panel: files are the same for all, measured values are not.
    um
        Places of the spots, um.

    Raises DataContractError where fewer than ten spots have a value in a map and a reference.
    """
    return Comparison(
        tuple(
            (of, held_against(of.values, reference, um, _SEED))
            for of in maps
            for reference in references_of(of.gene)
        )
    )
