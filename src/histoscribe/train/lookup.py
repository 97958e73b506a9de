"""The exemplars that a model is shown beside a spot: from which pool, and whom it leaves out."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Int
from safetensors import safe_open

from histoscribe.data.exemplars import (
    Distance,
    Exclusion,
    ExemplarPool,
    Queries,
    Retrieved,
    pool_sizes,
)
from histoscribe.data.folds import leaky
from histoscribe.data.retrieval import ExemplarSearch
from histoscribe.io.atomic import replacing
from histoscribe.train.rows import ExemplarSettings
from histoscribe.train.seen import Exemplars, ToPredict
from histoscribe.types import SpotTable


@dataclass(frozen=True, eq=False)
class Lookup:
    """The training spots that a fitted model is shown, and how they are chosen."""

    pool: ExemplarPool
    settings: ExemplarSettings
    exclusion: Exclusion
    """What spots to predict may not share with their exemplars."""
    shift: bool
    """Whether training spots were shown exemplars of their own patient and test spots are not."""
    seed: int

    @classmethod
    def of_table(
        cls, table: SpotTable, settings: ExemplarSettings, protocol: str, seed: int
    ) -> "Lookup":
        """Take all spots of a table, as they are, for spots to predict."""
        own = settings.training_exclusion
        leaks = leaky(protocol) is not None
        return cls(
            pool=_pool(table.as_they_are, np.arange(len(table.as_they_are.target))),
            settings=settings,
            exclusion=own if leaks else "patient",
            shift=own == "section" and not leaks,
            seed=seed,
        )

    def of(self, wanted: ToPredict) -> Retrieved:
        """Look up the exemplars of spots to predict.

        Raises
        ------
        DataContractError
            Features of another encoder; too few exemplars that a spot may be shown.
        """
        queries = Queries(
            feature=wanted.feature.astype(np.float32, copy=False),
            patient=wanted.patient,
            section=wanted.section,
            spot=wanted.spot,
            encoder=wanted.encoder,
        )
        return _found(self._search, queries, self.settings, self.exclusion, self.seed)

    @cached_property
    def _search(self) -> ExemplarSearch:
        return ExemplarSearch(self.pool, _of_features(self.settings))

    def card(self) -> dict[str, Any]:
        """What must be said of the exemplars behind a number."""
        own = self.settings.training_exclusion
        sizes = pool_sizes(self.pool, self.pool.patient, self.pool.section, own)
        said = {
            **self.settings.model_dump(),
            "pool": len(self.pool),
            "for_training_spots": str(sizes),
            "test_exclusion": self.exclusion,
        }
        return {**said, "shift": "retrieval shift"} if self.shift else said

    def save(self, path: Path) -> None:
        """Write the exemplars: features, targets, and whose they are."""
        pool = self.pool
        about = {
            "patient": pool.patient,
            "section": pool.section,
            "spot": pool.spot,
            "encoder": pool.encoder,
            "settings": self.settings.model_dump(),
            "exclusion": self.exclusion,
            "shift": self.shift,
            "seed": self.seed,
        }
        arrays = {"feature": pool.feature, "target": pool.target}
        with replacing(path) as temporary:
            safetensors.numpy.save_file(arrays, temporary, {"exemplars": json.dumps(about)})

    @classmethod
    def read(cls, path: Path) -> "Lookup":
        """Take back what `save` wrote."""
        with safe_open(path, framework="np") as file:
            about = json.loads(file.metadata()["exemplars"])
            arrays = {name: file.get_tensor(name) for name in ("feature", "target")}
        names = {name: tuple(about[name]) for name in ("patient", "section", "spot")}
        feature, target = arrays["feature"], arrays["target"]
        return cls(
            pool=ExemplarPool(feature, target, **names, encoder=about["encoder"]),
            settings=ExemplarSettings.model_validate(about["settings"]),
            exclusion=about["exclusion"],
            shift=about["shift"],
            seed=about["seed"],
        )


def training_exemplars(
    table: SpotTable,
    fit: Int[np.ndarray, " fit"],
    settings: ExemplarSettings,
    *,
    seed: int,
    device: torch.device,
) -> Exemplars:
    """Look up the exemplars of every spot of a table among those that are fitted on.

    Jittered views ask like the spots they are of; only spots as they are can be exemplars.
    """
    n_spots = len(table.as_they_are.target)
    pool = _pool(table, fit[fit < n_spots])
    queries = Queries(
        feature=table.feature.astype(np.float32, copy=False),
        patient=table.patient,
        section=table.section,
        spot=table.spot,
        encoder=table.encoder,
    )
    search = ExemplarSearch(pool, _of_features(settings), device)
    found = _found(search, queries, settings, settings.training_exclusion, seed)
    return Exemplars(pool.feature, pool.target, found.rows)


def _pool(table: SpotTable, rows: Int[np.ndarray, " M"]) -> ExemplarPool:
    return ExemplarPool(
        feature=table.feature[rows].astype(np.float32, copy=False),
        target=table.target[rows].astype(np.float32, copy=False),
        patient=tuple(table.patient[row] for row in rows),
        section=tuple(table.section[row] for row in rows),
        spot=tuple(table.spot[row] for row in rows),
        encoder=table.encoder,
    )


def _of_features(settings: ExemplarSettings) -> Distance:
    """The distance that is taken between features: tiles are compared among the nearest by L2."""
    return "l2" if settings.distance == "lpips" else settings.distance


def _found(
    search: ExemplarSearch,
    queries: Queries,
    settings: ExemplarSettings,
    exclusion: Exclusion,
    seed: int,
) -> Retrieved:
    if settings.draw == "random":
        return search.random(queries, settings.n, exclusion, seed)
    return search.nearest(queries, settings.n, exclusion)
