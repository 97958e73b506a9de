"""Exemplars of the spots of a section, and predictions with changed exemplars."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.exemplars.pool import ExemplarPool, Retrieved
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.items.spots import Exemplars, SpotItems, SpotQueries
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import (
    Estimator,
    ExpressionModel,
    inputs_of,
    model_class,
)
from histoscribe.models.catalog import list_models
from histoscribe.predictor.forward import predict_spots
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import integer
from histoscribe.types import Section


@dataclass(frozen=True, eq=False)
class ExemplarSelection:
    """The spots of one section, their tiles and their exemplars."""

    model: ExpressionModel
    lookup: Lookup
    queries: SpotQueries
    tiles: UInt8[np.ndarray, "N P P 3"]
    retrieved: Retrieved
    """Rows of the pool and distances: the exemplars of each spot, the nearest first."""

    @property
    def pool(self) -> ExemplarPool:
        """The training spots that exemplars are taken from."""
        return self.lookup.pool

    @property
    def every(self) -> Int[np.ndarray, " N"]:
        """Rows of all spots."""
        return np.arange(len(self.queries))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of `Inputs` that the model reads."""
        return self.model.inputs(self.model.config)

    def predict(
        self,
        spots: Int[np.ndarray, " n"],
        rows: Int[np.ndarray, "n E"],
        expression: Int[np.ndarray, "n E"] | None = None,
    ) -> Float[np.ndarray, "n G"]:
        """Predict with tile and feature of these spots and the exemplars `rows` of the pool.

        With `expression`, exemplars have the expression of these rows of the pool instead of
        their own.
        """
        pool = self.pool
        exemplars = Exemplars(pool.feature, pool.target, rows)
        if expression is not None:
            places = np.arange(rows.size).reshape(rows.shape)
            feature, target = pool.feature[rows.ravel()], pool.target[expression.ravel()]
            exemplars = Exemplars(feature, target, places)
        queries = replace(
            self.queries,
            feature=self.queries.feature[spots],
            keys=self.queries.keys.take(spots),
            image=StackedTiles([(self.tiles, spots)]) if "image" in self.fields else None,
            xy_um=None,
        )
        return predict_spots(self.model, SpotItems(queries, exemplars)).expression

    def random(self, n_draws: int, use: str) -> Iterator[Int[np.ndarray, "N E"]]:
        """Draw random exemplars for every spot, as many as it has, by the same rule."""
        n = self.retrieved.rows.shape[1]
        for draw in range(n_draws):
            seed = integer(self.lookup.seed, f"explain-{use}-{draw}")
            yield self._search.random(self.queries, n, self.lookup.exclusion, seed).rows

    @cached_property
    def _search(self) -> ExemplarSearch:
        return ExemplarSearch(self.pool)


def look_up(predictor: Predictor, section: Section, cache: Path) -> ExemplarSelection:
    """Read the tiles of a section and find the exemplars of its spots, as for a prediction."""
    model, lookup = predictor.model, predictor.fitted.lookup
    if isinstance(model, Estimator) or lookup is None:
        raise ValueError(f"{predictor.name} looks up no exemplars")
    device = torch.device(choose_device(predictor.device))
    predictor.encoder.to(device)
    tiles = stored_tiles(section, predictor.encoding.tiles, cache=cache)
    images = StackedTiles([(tiles, np.arange(len(section.spots)))])
    queries = replace(predictor.queries(section, cache), image=images)
    if predictor.sees_tiles:
        model.to(device)
    return ExemplarSelection(model, lookup, queries, tiles, lookup.of(queries, device))


def check_looks_up(predictor: Predictor) -> None:
    """Check that the model of a predictor sees exemplars.

    Raises DataContractError that names the models that do.
    """
    if predictor.fitted.lookup is None:
        raise DataContractError(
            Problem(
                where=f"predictor {predictor.name}",
                found=f"model {predictor.model.name} with its settings sees no exemplars",
                expected=f"a predictor of {', '.join(_with_exemplars())}",
                remedy="give a predictor of one of these models",
            )
        )


def _with_exemplars() -> Iterator[str]:
    for name in list_models():
        cls = model_class(name)
        if issubclass(cls, ExpressionModel) and any(
            field.startswith("exemplar") for field in inputs_of(cls)
        ):
            yield name
