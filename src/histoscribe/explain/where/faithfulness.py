"""Deletion and sufficiency of every map of an answer, with a table and what failed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Number
from histoscribe.explain.where.deletion import (
    N_RANDOM_SETS,
    TOP_SHARE,
    DeletionResult,
    deletion_test,
)
from histoscribe.explain.where.spot_map import SpotMap
from histoscribe.explain.where.tile_removal import TileRemoval, tile_places
from histoscribe.types import Item

_SEED = 0  # of the random sets of tiles; nobody needs another one
_ADDITIVE = (
    "The model predicts each spot by itself, so the best-ranked tiles alone say the same as their "
    "removal: sufficiency is not listed."
)


@final
@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Whether the prediction rests on the tiles that each map ranks best."""

    results: tuple[tuple[SpotMap, DeletionResult], ...]
    item: Item
    """What the model predicts at once."""

    @property
    def is_additive(self) -> bool:
        """Whether the model predicts each spot by itself."""
        return self.item == "spot"

    @property
    def statistic(self) -> tuple[Number, ...]:
        """`deletion_<kind>` and `sufficiency_<kind>` with their p-values, of the first gene."""
        return self._numbers("statistic")

    @property
    def null(self) -> tuple[Number, ...]:
        """The same numbers of random sets of tiles."""
        return self._numbers("null")

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence for each map that failed; they come first in a report."""
        return tuple(result.verdict(of.name) for of, result in self.results if result.is_failure)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Limits of deletion and sufficiency as tests of a map."""
        removed = "taken out of the bag" if self.item == "bag" else "blurred"
        words = (
            f"Deletion: the best-ranked {TOP_SHARE:.0%} of the tiles were {removed}, beside "
            f"{N_RANDOM_SETS} random sets alike in groups and tissue. It says whether a map shows "
            "what the model rests on, not whether the model is right."
        )
        return (words, _ADDITIVE) if self.is_additive else (words,)

    @property
    def table(self) -> pd.DataFrame:
        """One line for each map."""
        rows = []
        for of, result in self.results:
            chance = {number.name: number for number in result.null}
            row: dict[str, object] = {
                "gene": of.label,
                "map": of.kind,
                "tiles": result.n_top,
                "prediction": result.whole,
                "without_top": result.without_top,
                "only_top": result.only_top,
            }
            for number in result.statistic:
                row[number.name] = number.value
                if number.name in chance:
                    row[f"{number.name}_low"] = chance[number.name].low
                    row[f"{number.name}_high"] = chance[number.name].high
            rows.append(row | {"failed": result.is_failure})
        return pd.DataFrame(rows)

    def _numbers(self, part: str) -> tuple[Number, ...]:
        first = self.results[0][0].gene
        return tuple(
            replace(number, name=f"{number.name}_{of.kind}", meaning=f"{number.meaning}: {of.name}")
            for of, result in self.results
            if of.gene == first
            for number in getattr(result, part)
            if not (self.is_additive and "sufficiency" in number.name)
        )


def faithfulness(removals: Sequence[TileRemoval], maps: Sequence[SpotMap]) -> Faithfulness:
    """Test every map by deletion and sufficiency.

    Parameters
    ----------
    removals
        One for each predictor of one section; the prediction is their mean.
    maps
        The maps, those of the first gene first; all values are defined.
    """
    first = removals[0]
    place = tile_places(first.section, first.predictor)

    def mean_values(gene: int, sets: Bool[np.ndarray, "sets N"]) -> Float[np.ndarray, " sets"]:
        return np.mean([removal.values_of(gene)(sets) for removal in removals], axis=0)

    item = first.predictor.fitted.item
    if item != "spot":  # of spots both predictions are made once
        some = np.random.default_rng(_SEED).random((5, len(place.tissue))) < 0.5
        start = perf_counter()
        mean_values(maps[0].gene, some)
        n_predictions = 2 * N_RANDOM_SETS * len(maps)
        seconds = (perf_counter() - start) / len(some) * n_predictions
        tell_estimate(f"{n_predictions} predictions without some tiles", seconds)
    return Faithfulness(
        tuple(
            (
                of,
                deletion_test(
                    of.values,
                    partial(mean_values, of.gene),
                    place,
                    _SEED,
                    is_weight=of.is_weight,
                ),
            )
            for of in maps
        ),
        item,
    )
