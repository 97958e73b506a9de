"""Training tables with a planted linear truth, for tests of models."""

from dataclasses import replace

import numpy as np

from histoscribe.data.images import StackedTiles
from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.types import SpotKeys, SpotTable
from tests.data.fakes_for_data import fake_section

TILE_PX = 32


def planted_table(
    seed: int = 0, n_spots: int = 240, n_features: int = 12, n_genes: int = 5, noise: float = 0.5
) -> SpotTable:
    """Spots of four patients whose genes are linear in the features; the last gene is noise.

    Tiles show the features: the first three as the colour of the tile, all as grey squares.
    """
    rng = np.random.default_rng(seed)
    feature = rng.normal(2.0, 3.0, (n_spots, n_features)).astype(np.float32)
    weights = rng.normal(size=(n_features, n_genes)) / n_features
    weights[:3] *= 3
    weights[:, -1] = 0
    target = feature @ weights + noise * rng.normal(size=(n_spots, n_genes)) + 1.0
    patient = np.repeat(["A", "B", "C", "D"], n_spots // 4)
    return SpotTable(
        feature=feature,
        target=target.astype(np.float32),
        log_total=(8 + 0.1 * feature[:, 0] + 0.2 * rng.normal(size=n_spots)).astype(np.float64),
        keys=SpotKeys.of_names(
            [f"{p}1" for p in patient], patient, [str(row) for row in range(n_spots)]
        ),
        inner=tuple(
            (np.flatnonzero(patient != held), np.flatnonzero(patient == held)) for held in "ABCD"
        ),
        encoder="planted",
        image=StackedTiles([(_tiles(feature), np.arange(n_spots))]),
        xy_um=places(n_spots),
    )


def places(n_spots: int) -> np.ndarray:
    """Places in um, a row of ten spots after the other."""
    row, column = np.divmod(np.arange(n_spots), 10)
    return 100.0 * np.stack([column - 4.5, row - n_spots / 20], axis=1)


def queries_of(table: SpotTable, rows: slice = slice(None)) -> SpotQueries:
    """The spots of a table as they are asked for."""
    numbers = np.arange(len(table.target))[rows]
    return SpotQueries(
        feature=table.feature[rows],
        keys=table.keys.take(rows),
        encoder=table.encoder,
        image=StackedTiles([(_tiles(table.feature), numbers)]),
        xy_um=None if table.xy_um is None else table.xy_um[rows],
    )


def in_random_order(queries: SpotQueries) -> tuple[SpotQueries, np.ndarray]:
    """The same spots without tiles in another order, and that order."""
    order = np.random.default_rng(0).permutation(len(queries))
    mixed = replace(
        queries,
        feature=queries.feature[order],
        keys=queries.keys.take(order),
        image=None,
        xy_um=queries.xy_um[order],
    )
    return mixed, order


def on_two_places_of_the_slide() -> tuple[SpotQueries, SpotQueries]:
    """The same 60 spots of a section, on two places of the slide."""
    section = fake_section("S", "P", np.ones((60, 2), dtype=np.int64))
    spots = replace(section.spots, xy=section.spots.xy + np.array([5e3, 70]))
    queries = queries_of(planted_table(1), slice(60))
    here, there = (
        replace(queries, xy_um=places_um(of)) for of in (section, replace(section, spots=spots))
    )
    return here, there


def _tiles(feature: np.ndarray) -> np.ndarray:
    """A tile a spot, uint8 [N, P, P, 3]."""
    n_spots, n_features = feature.shape
    side = TILE_PX // 4
    standard = (feature - 2.0) / 3.0
    tiles = np.broadcast_to(
        140.0 + 25.0 * standard[:, None, None, :3], (n_spots, TILE_PX, TILE_PX, 3)
    ).copy()
    for column in range(min(n_features, 16)):
        top, left = side * (column // 4), side * (column % 4)
        tiles[:, top : top + side, left : left + side // 2] += (
            15.0 * standard[:, column, None, None, None]
        )
    return np.clip(np.rint(tiles), 0, 255).astype(np.uint8)
