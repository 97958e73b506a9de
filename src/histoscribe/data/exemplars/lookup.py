"""Lookup of exemplars: their pool, and the rule of exclusion."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Int
from pydantic import ConfigDict, Field, TypeAdapter
from safetensors import safe_open

from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.exemplars.pool import (
    Distance,
    Exclusion,
    ExemplarPool,
    Retrieved,
    pool_sizes,
)
from histoscribe.data.exemplars.rerank import N_CANDIDATES, Lookalikes, rerank_by_look
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.folds import leaky
from histoscribe.data.images import ChosenTiles, HeldTiles
from histoscribe.data.items.spots import Exemplars, SpotQueries
from histoscribe.encoders.perceptual import Perceptual, load_perceptual
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.io.tensor_file import layouts, read_arrays, tensor_facts
from histoscribe.types import ExemplarsCard, SpotKeys, SpotTable

_LAYOUT = {
    **layouts({"feature": "M D", "target": "M G"}, ("float32",)),
    **layouts({"section": "M", "patient": "M"}, ("int32",)),
    **layouts({"spot": "M W"}, ("uint8",)),
}
_SHIFT = "retrieval shift: training spots have exemplars of their own patient, test spots never"


@dataclass(frozen=True, eq=False)
class _Finder:
    """Finds exemplars according to the settings."""

    search: ExemplarSearch
    settings: ExemplarSettings
    seed: int
    looks: Lookalikes | None

    def find(self, queries: SpotQueries, exclusion: Exclusion) -> Retrieved:
        """Find the exemplars of these queries."""
        n = self.settings.n
        if self.settings.draw == "random":
            return self.search.random(queries, n, exclusion, self.seed)
        if self.looks is None:
            return self.search.nearest(queries, n, exclusion)
        if queries.image is None:
            raise ValueError("the distance compares tiles, but these spots have none")
        pool = self.search.pool
        sizes = pool_sizes(pool, queries.keys, exclusion)
        n_candidates = max(n, min([N_CANDIDATES, *sizes.values()]))
        candidates = self.search.nearest(queries, n_candidates, exclusion)
        return rerank_by_look(candidates, n, self.looks, queries.image.read)


@dataclass(frozen=True, eq=False)
class Lookup:
    """Exemplar pool of a fitted model, and the settings of its search."""

    pool: ExemplarPool
    settings: ExemplarSettings
    exclusion: Exclusion
    """Property that spots to predict may not share with their exemplars."""
    shift: bool
    """Whether training spots had exemplars of their patient while test spots have not."""
    n_fitted: int
    """Number of spots in the pool during training; the other spots chose the epoch."""
    seed: int
    looks: Lookalikes | None = None
    """Perceptual distance, for exemplars sorted by their tiles."""
    _finders: dict[torch.device, _Finder] = field(default_factory=dict, init=False)

    @classmethod
    def of_table(
        cls,
        table: SpotTable,
        settings: ExemplarSettings,
        protocol: str,
        *,
        n_fitted: int,
        seed: int,
        perceptual: Perceptual | None,
    ) -> "Lookup":
        """Lookup for spots to predict, with all unchanged spots of a table as pool."""
        own = settings.training_exclusion
        leaks = leaky(protocol) is not None
        pool = _pool(table, np.arange(len(table.as_they_are.target)))
        return cls(
            pool=pool,
            looks=_looks(table, pool, perceptual),
            settings=settings,
            exclusion=own if leaks else "patient",
            shift=own == "section" and not leaks,
            n_fitted=n_fitted,
            seed=seed,
        )

    def of(self, queries: SpotQueries, device: str | torch.device = "cpu") -> Retrieved:
        """Find the exemplars of spots to predict, on a device: each gives the same rows.

        Raises
        ------
        DataContractError
            for features of another encoder, and if a spot has too few permitted exemplars.
        """
        return self._finder(torch.device(device)).find(queries, self.exclusion)

    def _finder(self, device: torch.device) -> _Finder:
        """Finder with the pool on this device; it stays there for the next queries."""
        if device not in self._finders:
            search = ExemplarSearch(self.pool, _of_features(self.settings), device)
            looks = None if self.looks is None else self.looks.on(device)
            self._finders[device] = _Finder(search, self.settings, self.seed, looks)
        return self._finders[device]

    def card(self) -> ExemplarsCard:
        """Card of the exemplars."""
        asked, net = self.settings, None if self.looks is None else self.looks.perceptual
        return ExemplarsCard(
            n=asked.n,
            draw=asked.draw,
            distance=asked.distance,
            training_exclusion=asked.training_exclusion,
            test_exclusion=self.exclusion,
            pool=len(self.pool),
            pool_in_training=self.n_fitted,
            perceptual=asked.perceptual if net is None else net.name,
            perceptual_weights={} if net is None else {net.trunk: net.source},
            shift=_SHIFT if self.shift else None,
        )

    def save(self, path: Path) -> None:
        """Write the exemplars: features, targets, keys, and tiles for the perceptual distance."""
        pool = self.pool
        about = {
            **pool.keys.names(),
            "encoder": pool.encoder,
            "settings": self.settings.model_dump(),
            "exclusion": self.exclusion,
            "shift": self.shift,
            "n_fitted": self.n_fitted,
            "seed": self.seed,
            "perceptual": None if self.looks is None else self.looks.perceptual.source,
        }
        arrays = {"feature": pool.feature, "target": pool.target, **pool.keys.arrays()}
        if self.looks is not None:
            arrays["tiles"] = self.looks.read(np.arange(len(pool))).contiguous().numpy()
        with replacing(path) as temporary:
            safetensors.numpy.save_file(arrays, temporary, {"exemplars": json.dumps(about)})

    @classmethod
    def read(cls, path: Path, given: Mapping[str, Path], n_genes: int, n_features: int) -> "Lookup":
        """Restore what `save` wrote; `given` are weight files by name.

        Raises
        ------
        DataContractError
            if the weights of the perceptual net are missing or different, and for a file with
            other arrays, shapes or words than `save` writes.
        """
        about = _about(path)
        settings = about.settings
        expected = dict(_LAYOUT)
        if settings.distance == "lpips":
            expected |= layouts({"tiles": "M 3 P P"}, ("uint8",))
        arrays = read_arrays(path, expected, G=n_genes, D=n_features)
        try:
            keys = SpotKeys.restored(arrays, vars(about))
        except ValueError as error:
            raise DataContractError(_damaged(path, str(error))) from None
        perceptual = perceptual_of(settings, given)
        looks = None
        if perceptual is not None:
            _check_same(perceptual, about.perceptual, path)
            looks = Lookalikes(perceptual, HeldTiles(torch.from_numpy(arrays["tiles"])).read)
        return cls(
            pool=ExemplarPool(arrays["feature"], arrays["target"], keys, about.encoder),
            settings=settings,
            looks=looks,
            exclusion=about.exclusion,
            shift=about.shift,
            n_fitted=about.n_fitted,
            seed=about.seed,
        )


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a file of exemplars says besides its arrays."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    sections: tuple[str, ...]
    patients: tuple[str, ...]
    encoder: str
    settings: ExemplarSettings
    exclusion: Exclusion
    shift: bool
    n_fitted: Annotated[int, Field(ge=0)]
    seed: int
    perceptual: str | None


def _about(path: Path) -> _About:
    tensor_facts(path)  # the header is not read before its size is known
    try:
        with safe_open(path, framework="np") as file:
            words = json.loads(file.metadata()["exemplars"])
        return TypeAdapter(_About).validate_python(words)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataContractError(_damaged(path, str(error).splitlines()[0])) from None


def read_exemplar_keys(path: Path) -> SpotKeys:
    """Section, patient and id of each exemplar that `Lookup.save` wrote; no features are read.

    Raises DataContractError for a damaged file.
    """
    about = _about(path)
    with safe_open(path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in ("section", "patient", "spot")}
    try:
        return SpotKeys.restored(arrays, vars(about))
    except ValueError as error:
        raise DataContractError(_damaged(path, str(error))) from None


def training_exemplars(
    table: SpotTable,
    fit: Int[np.ndarray, " fit"],
    settings: ExemplarSettings,
    *,
    seed: int,
    perceptual: Perceptual | None,
    device: torch.device,
) -> Exemplars:
    """Find the exemplars of every spot of a table among its fitting spots.

    Jittered views are queries like their spots; only unchanged spots can be exemplars.
    """
    n_spots = len(table.as_they_are.target)
    pool = _pool(table, fit[fit < n_spots])
    queries = SpotQueries(table.feature, table.keys, table.encoder, table.image)
    search = ExemplarSearch(pool, _of_features(settings), device)
    finder = _Finder(search, settings, seed, _looks(table, pool, perceptual))
    found = finder.find(queries, settings.training_exclusion)
    return Exemplars(pool.feature, pool.target, found.rows)


def _pool(table: SpotTable, rows: Int[np.ndarray, " M"]) -> ExemplarPool:
    return ExemplarPool(
        feature=table.feature[rows].astype(np.float32, copy=False),
        target=table.target[rows].astype(np.float32, copy=False),
        keys=table.keys.take(rows),
        encoder=table.encoder,
    )


def _of_features(settings: ExemplarSettings) -> Distance:
    """Distance between features: L2 for `lpips`, which compares tiles of the nearest."""
    return "l2" if settings.distance == "lpips" else settings.distance


def perceptual_of(settings: ExemplarSettings, given: Mapping[str, Path]) -> Perceptual | None:
    """Perceptual distance of the settings; None for distances between features.

    Raises
    ------
    DataContractError
        if its weights are not found.
    """
    if settings.distance != "lpips":
        return None
    return load_perceptual(settings.perceptual, given=given)


def _looks(
    table: SpotTable, pool: ExemplarPool, perceptual: Perceptual | None
) -> Lookalikes | None:
    """Tile comparison for a pool, whose rows have another order than the table."""
    if perceptual is None:
        return None
    if table.image is None:
        raise ValueError("the distance compares tiles, but this table has none")
    rows = pool.keys.rows_in(table.as_they_are.keys)
    return Lookalikes(perceptual, ChosenTiles(table.image, rows).read)


def _damaged(path: Path, found: str) -> Problem:
    return Problem(
        where=str(path),
        found=f"no exemplars: {found}",
        expected="the exemplars that were saved with the predictor",
        remedy="the folder was changed or copied in part: copy or train it again",
    )


def _check_same(perceptual: Perceptual, source: str | None, path: Path) -> None:
    if perceptual.source != source:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"tiles compared by {perceptual.name} with weights {perceptual.source}",
                expected=f"the weights {source}, as in the training of the predictor",
                remedy="give that file with --weights",
            )
        )
