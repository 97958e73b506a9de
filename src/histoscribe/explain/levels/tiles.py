"""What the numbers need of some tiles, read section by section; few pixels stay in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8

from histoscribe.data.images import SlideTiles
from histoscribe.data.tile_measures.measures import tile_measures
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.levels.likeness import grey_tile
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.predictor.predictor import Predictor

_BATCH = 32  # tiles in memory at a time


@final
@dataclass(frozen=True, eq=False)
class TileLooks:
    """Features, small grey pictures and measures of some spots."""

    spots: Int[np.ndarray, " n"]
    """Rows of the spots, rising."""
    feature: Float[np.ndarray, "n D"]
    grey: Float[np.ndarray, "n g g"]
    concepts: Float[np.ndarray, "n M"]
    """Measures of the tiles; NaN where one is undefined."""
    pixels: Mapping[int, UInt8[np.ndarray, "P P 3"]]
    """The whole tile of the spots that are drawn."""

    def places(self, rows: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """Place of these spots among the tiles."""
        return np.searchsorted(self.spots, rows)


def read_looks(
    predictor: Predictor,
    spots: LevelSpots,
    rows: Int[np.ndarray, " n"],
    drawn: Collection[int],
    concepts: Sequence[str],
    cache: Path,
) -> TileLooks:
    """Read the tiles of these spots as the model reads them; `drawn` keep their pixels."""
    rows = np.unique(rows)
    tiles, features, greys, measures = predictor.encoding.tiles, [], [], []
    pixels: dict[int, UInt8[np.ndarray, "P P 3"]] = {}
    reading = _Estimate(len(rows))
    order: list[Int[np.ndarray, " k"]] = []
    for place in np.unique(spots.section[rows]):
        section = spots.sections[place]
        of_section = rows[spots.section[rows] == place]
        images = SlideTiles(section, tiles)
        features.append(predictor.queries(section, cache).feature[spots.row[of_section]])
        for start in range(0, len(of_section), _BATCH):
            part = of_section[start : start + _BATCH]
            batch = images.read(spots.row[part]).permute(0, 2, 3, 1).numpy()
            greys += [grey_tile(tile) for tile in batch]
            reading.start()
            measures.append(tile_measures(batch, tiles.mpp, concepts).values)
            reading.tell(len(part))
            pixels |= {
                int(row): tile for row, tile in zip(part, batch, strict=True) if row in drawn
            }
        order.append(of_section)
    back = np.argsort(np.concatenate(order), kind="stable")
    return TileLooks(
        spots=rows,
        feature=np.concatenate(features)[back],
        grey=np.stack(greys)[back],
        concepts=np.concatenate(measures)[back],
        pixels=pixels,
    )


class _Estimate:
    """Times the first batch of measures, and tells how long the others will take."""

    def __init__(self, n_tiles: int) -> None:
        self._n_tiles, self._told, self._start = n_tiles, False, 0.0

    def start(self) -> None:
        self._start = perf_counter()

    def tell(self, n_read: int) -> None:
        if not self._told:
            seconds = (perf_counter() - self._start) / n_read * (self._n_tiles - n_read)
            tell_estimate(f"measures of {self._n_tiles} tiles", seconds)
            self._told = True
