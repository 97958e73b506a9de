"""Features and training tables, each section read once an encoder."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.data.features import embed
from histoscribe.data.target import Target, fit_target
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import model_class
from histoscribe.models.encoder import Encoder
from histoscribe.train.config import RunSettings
from histoscribe.train.encoding import Encoding, WeightFiles, open_encoding
from histoscribe.types import Cohort, Fold, SpotRows, SpotTable


@dataclass(eq=False)
class Bank:
    """The sections of a run and their features, by encoder: the run's (None) or a model's own."""

    settings: RunSettings
    cohort: Cohort
    weights: WeightFiles
    cache: Path
    _opened: dict[str | None, tuple[Encoding, Encoder]] = field(default_factory=dict)
    _features: dict[tuple[str | None, str], Float[np.ndarray, "N D"]] = field(default_factory=dict)
    _precision: dict[tuple[str | None, str], str] = field(default_factory=dict)

    def encoders(self) -> tuple[str | None, ...]:
        """Every encoder that the models of the run read, each once."""
        return tuple(dict.fromkeys(model_class(name).encoder for name in self.settings.models))

    def check(self) -> None:
        """Open every encoder and hold the tiles against every slide, before the long work.

        Raises
        ------
        DataContractError
            listing missing weights, and every slide that is too coarse for the tiles.
        """
        problems: list[Problem] = []
        for encoder in self.encoders():
            tiles = self.opened(encoder)[0].tiles
            for section in self.cohort:
                try:
                    tiles.check(section)
                except DataContractError as error:
                    problems += error.problems
        if problems:
            raise DataContractError(dict.fromkeys(problems))

    def opened(self, encoder: str | None) -> tuple[Encoding, Encoder]:
        """The encoder and how it is used."""
        if encoder not in self._opened:
            self._opened[encoder] = open_encoding(self.settings, encoder, self.weights)
        return self._opened[encoder]

    def encoders_text(self) -> str:
        """How every encoder of the run is used, its weights' checksum too, as a JSON file."""
        used = [self.opened(encoder)[0].to_json() for encoder in self.encoders()]
        return json.dumps(used, indent=1, sort_keys=True) + "\n"

    def precision_used(self, encoder: str | None) -> str:
        """What the sections read so far were computed in; may be more than was asked for."""
        return " and ".join(sorted({p for (of, _), p in self._precision.items() if of == encoder}))

    def features(self, encoder: str | None, section: str) -> Float[np.ndarray, "N D"]:
        """Features of every spot of a section."""
        key = (encoder, section)
        if key not in self._features:
            encoding, opened = self.opened(encoder)
            found = embed(
                self.cohort[section],
                opened,
                encoding.tiles,
                precision=encoding.precision,
                cache=self.cache,
            )
            self._features[key], self._precision[key] = found.values, found.precision
        return self._features[key]

    def target(self, train: SpotRows) -> Target:
        """Panel and transform fitted on these spots only."""
        parts = [(self.cohort[section], rows) for section, rows in sorted(train.items())]
        return fit_target(parts, self.settings.target)

    def table(self, fold: Fold, target: Target, encoder: str | None) -> SpotTable:
        """The training spots of a fold as a model is fitted on them, sections in sorted order."""
        parts = sorted(fold.train.items())
        cohort = self.cohort
        return SpotTable(
            feature=np.concatenate([self.features(encoder, s)[rows] for s, rows in parts]),
            target=np.concatenate([target.apply(cohort[s], rows) for s, rows in parts]),
            log_total=np.concatenate([log_total(self.cohort, s, rows) for s, rows in parts]),
            section=tuple(s for s, rows in parts for _ in rows),
            patient=tuple(str(cohort.patients[s]) for s, rows in parts for _ in rows),
            inner=tuple(
                (_places(fold.train, inner.fit), _places(fold.train, inner.val))
                for inner in fold.inner
            ),
        )


def log_total(cohort: Cohort, section: str, rows: np.ndarray) -> Float[np.ndarray, " rows"]:
    """log(1 + total count) of these spots, over all genes measured."""
    return np.log1p(cohort[section].measured.total[rows])


def _places(train: SpotRows, part: SpotRows) -> np.ndarray:
    """Row numbers of `part` in the table that stacks `train` in sorted order of section."""
    places, start = [], 0
    for section, rows in sorted(train.items()):
        if section in part:
            places.append(start + np.searchsorted(rows, part[section]))
        start += len(rows)
    return np.concatenate(places)
