"""What a model was shown beside the spots of a section, and how it predicts when shown else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.exemplars.pool import ExemplarPool, Queries, Retrieved
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.items.spots import Exemplars, SpotItems, SpotQueries
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import ExplainRequest
from histoscribe.models.base import (
    Estimator,
    ExpressionModel,
    inputs_of,
    model_class,
)
from histoscribe.models.catalog import list_models
from histoscribe.predictor.forward import predict_rows
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
    found: Retrieved

    @property
    def pool(self) -> ExemplarPool:
        """The training spots that exemplars are taken from."""
        return self.lookup.pool

    @property
    def every(self) -> Int[np.ndarray, " N"]:
        """Rows of all spots."""
        return np.arange(len(self.queries.feature))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of `Inputs` that the model sees."""
        return self.model.inputs(self.model.config)

    def predict(
        self,
        look: Int[np.ndarray, " n"],
        rows: Int[np.ndarray, "n E"],
        bring: Int[np.ndarray, "n E"] | None = None,
    ) -> Float[np.ndarray, "n G"]:
        """Predict as if a spot had the look of spot `look` and the exemplars `rows` of the pool.

        `bring` lets exemplars bring the expression of other rows of the pool than their own.
        """
        pool = self.pool
        exemplars = Exemplars(pool.feature, pool.target, rows)
        if bring is not None:
            places = np.arange(rows.size).reshape(rows.shape)
            feature, target = pool.feature[rows.ravel()], pool.target[bring.ravel()]
            exemplars = Exemplars(feature, target, places)
        image = StackedTiles([(self.tiles, look)]) if "image" in self.fields else None
        seen = SpotItems(self.queries.feature[look], image, exemplars)
        return predict_rows(self.model, seen, np.arange(len(look)))

    def random(self, n_draws: int, use: str) -> Iterator[Int[np.ndarray, "N E"]]:
        """Draw other exemplars of every spot, as many and by the same rule, whatever their look."""
        n = self.found.rows.shape[1]
        for draw in range(n_draws):
            seed = integer(self.lookup.seed, f"explain-{use}-{draw}")
            yield self._search.random(self._asking, n, self.lookup.exclusion, seed).rows

    @cached_property
    def _search(self) -> ExemplarSearch:
        return ExemplarSearch(self.pool)

    @cached_property
    def _asking(self) -> Queries:
        of = self.queries
        feature = of.feature.astype(np.float32, copy=False)
        return Queries(feature, of.patient, of.section, of.spot, of.encoder)


def look_up(asked: ExplainRequest, section: Section) -> ExemplarSelection:
    """Read the tiles of a section and find the exemplars of its spots, as for a prediction."""
    predictor = asked.predictor
    model, lookup = predictor.model, predictor.fitted.lookup
    if isinstance(model, Estimator) or lookup is None:
        raise ValueError(f"{predictor.name} looks nothing up")
    device = choose_device(predictor.device)
    predictor.encoder.to(device)
    tiles = stored_tiles(section, predictor.encoding.tiles, cache=asked.cache)
    images = StackedTiles([(tiles, np.arange(len(section.spots)))])
    queries = replace(predictor.queries(section, asked.cache), image=images)
    if predictor.sees_tiles:
        model.to(torch.device(device))
    return ExemplarSelection(model, lookup, queries, tiles, lookup.of(queries))


def check_looks_up(predictor: Predictor) -> None:
    """Refuse a predictor whose model sees no exemplars, naming the models that see some.

    Raises DataContractError.
    """
    if predictor.fitted.lookup is None:
        raise DataContractError(
            Problem(
                where=f"predictor {predictor.name}",
                found=f"model {predictor.model.name}, so set, sees no exemplars",
                expected=f"a predictor of one that does: {', '.join(_with_exemplars())}",
                remedy="explain a predictor of one of these",
            )
        )


def _with_exemplars() -> Iterator[str]:
    for name in list_models():
        cls = model_class(name)
        if issubclass(cls, ExpressionModel) and any(
            field.startswith("exemplar") for field in inputs_of(cls)
        ):
            yield name
