"""Features and training tables, each section read once an encoder."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from histoscribe.data.features import embed
from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.jitter import HedJitter
from histoscribe.data.stain import TissueColour
from histoscribe.data.target import Target, fit_target
from histoscribe.data.tiles import Tiles
from histoscribe.encoders.egn_extractor.encoder import EXTRACTOR
from histoscribe.encoders.egn_extractor.training import Windows
from histoscribe.encoders.encoder import Encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.predictor.encoding import Encoding, WeightFiles
from histoscribe.progress import tell, track
from histoscribe.train.encoders import learned_encoding, open_encoding
from histoscribe.train.exemplar_checks import lookup_problems, pool_lines
from histoscribe.train.row import ModelRow, tile_problems
from histoscribe.train.settings import RunSettings
from histoscribe.train.slide_colours import SlideColours
from histoscribe.train.weight_needs import needed_by_extractor, needed_by_row
from histoscribe.types import Cohort, Fold, SpotRows, SpotTable

T = TypeVar("T")
_Key = tuple[str, str, int]
"""Identity of the encoder, section, view."""


@dataclass(eq=False)
class RunData:
    """The sections of a run and their features, by encoder: the run's (None) or a model's own.

    Features of one stain reference are held at a time; the cache has those of the other folds.
    """

    settings: RunSettings
    cohort: Cohort
    weights: WeightFiles
    cache: Path
    _opened: dict[tuple[str | None, str], tuple[Encoding, Encoder]] = field(default_factory=dict)
    _features: dict[_Key, Float[np.ndarray, "N D"]] = field(default_factory=dict)
    _precision: dict[_Key, str] = field(default_factory=dict)
    _held: TissueColour | None = None
    """The reference of the features held."""

    def __post_init__(self) -> None:
        self._colours = SlideColours(self.cohort)

    def encoders(self) -> tuple[str | None, ...]:
        """Every encoder that the models of the run read, each once."""
        return tuple(dict.fromkeys(row.encoder for row in self.settings.rows))

    def check(self, folds: Sequence[Fold] = ()) -> None:
        """Open every encoder and hold the tiles against every slide, before the long work.

        Raises
        ------
        DataContractError
            listing missing weights, tiles that a network cannot take, folds whose spots have no
            exemplars, and every slide that is too coarse for the tiles or cannot be normalised.
        """
        inputs = self.settings.inputs
        problems = list(tile_problems(self.settings.rows, inputs.tile_px))
        keep = self.settings.train.keep
        problems += lookup_problems(self.cohort, folds, self.settings.rows, keep)
        problems += _problems(self.encoders(), self._look_for)
        problems += _problems(self.settings.rows, lambda row: needed_by_row(row, self.weights))
        problems += _problems(self.cohort, Tiles(inputs.tile_px, inputs.mpp).check)
        if self.normalised:
            names = track(self.cohort.ids, "colour of the tissue")
            problems += _problems(names, self._colours.look)
        if problems:
            raise DataContractError(dict.fromkeys(problems))
        for line in pool_lines(self.cohort, folds, self.settings.rows, keep):
            tell(line)

    @property
    def normalised(self) -> bool:
        """Whether slides are given the colour of a fold's training slides."""
        return self.settings.inputs.stain == "reinhard"

    @property
    def n_views(self) -> int:
        """How many jittered views of each training spot there are."""
        inputs = self.settings.inputs
        return inputs.views if inputs.hed_jitter > 0 else 0

    def learned(self, encoder: str | None) -> bool:
        """Whether each fold trains this encoder for itself."""
        return (self.settings.inputs.encoder if encoder is None else encoder) == EXTRACTOR

    def opened(self, encoder: str | None, fold: Fold | None = None) -> tuple[Encoding, Encoder]:
        """The encoder and how it is used; one that folds learn is trained now, if it is not yet.

        `fold` must be given for such an encoder.
        """
        learned = self.learned(encoder)
        if learned and fold is None:
            raise ValueError("each fold trains this encoder for itself: name the fold")
        key = (encoder, fold.name if learned and fold is not None else "")
        if key not in self._opened:
            self._opened[key] = (
                learned_encoding(self.settings, self._windows(fold), self.weights, self.cache)
                if learned and fold is not None
                else open_encoding(self.settings, encoder, self.weights)
            )
        return self._opened[key]

    def encoding(self, encoder: str | None, fold: Fold | None) -> Encoding:
        """How a fold uses an encoder: with the colour of its training slides, if normalised."""
        encoding, _ = self.opened(encoder, fold)
        return replace(encoding, stain=self._read_as(fold).stain)

    def encoders_text(self) -> str:
        """How every encoder of the run is used, with the checksums of all weights, as JSON."""
        trained = {"encoder": EXTRACTOR, "weights": "trained in each fold"}
        used: list[Mapping[str, Any]] = [
            {**trained, **self.trained_by(encoder)}
            if self.learned(encoder)
            else self.opened(encoder)[0].to_json()
            for encoder in self.encoders()
        ]
        needed = {row.name: needed_by_row(row, self.weights) for row in self.settings.rows}
        used += [{"row": name, **files} for name, files in needed.items() if files]
        return json.dumps(used, indent=1, sort_keys=True) + "\n"

    def trained_by(self, encoder: str | None) -> Mapping[str, str]:
        """What an encoder that folds train compares windows by; nothing for any other."""
        return self._extractor_needs if self.learned(encoder) else {}

    @cached_property
    def _extractor_needs(self) -> Mapping[str, str]:
        return needed_by_extractor(self.settings, self.weights)

    def _look_for(self, encoder: str | None) -> None:
        """Open an encoder; of one that folds train, find what its training needs."""
        if self.learned(encoder):
            self.trained_by(encoder)
        else:
            self.opened(encoder)

    def precision_used(self, encoder: str | None, fold: Fold | None = None) -> str:
        """What the sections read so far were computed in; may be more than was asked for."""
        identity = self.opened(encoder, fold)[1].identity
        found = {p for (of, _, _), p in self._precision.items() if of == identity}
        return " and ".join(sorted(found))

    def _read_as(self, fold: Fold | None) -> Tiles:
        """How a fold reads tiles to predict from."""
        inputs, stain = self.settings.inputs, None
        if self.normalised:
            if fold is None:
                raise ValueError("slides are normalised to a fold's training slides: name the fold")
            stain = self._colours.reference(fold)
        return Tiles(
            inputs.tile_px, inputs.mpp, white_off_tissue=inputs.white_off_tissue, stain=stain
        )

    def _windows(self, fold: Fold) -> Windows:
        """The tiles of a fold's training spots, which its extractor is trained on."""
        tiles, parts = self._read_as(fold), sorted(fold.train.items())
        images = StackedTiles([(self.tiles(section, fold), rows) for section, rows in parts])
        spots = hashlib.sha256(tiles.identity.encode())
        for section, rows in parts:
            of = self.cohort[section]
            spots.update(f"{of.slide.pixel_hash()} {of.slide.mpp!r}".encode())
            spots.update(np.ascontiguousarray(of.spots.xy[rows]).tobytes())
        n_rows = sum(len(rows) for _, rows in parts)
        return Windows(images.read, n_rows, images.side_px, spots.hexdigest())

    def extract(
        self, encoder: str | None, section: str, fold: Fold | None = None
    ) -> Float[np.ndarray, "N D"]:
        """Have all features of a section that a fold asks for in the cache; give those of view 0.

        Without a fold a section is taken for a training section.
        """
        if fold is None or section in fold.train:
            for view in range(self.n_views, 0, -1):
                self.features(encoder, section, fold, view=view)
        return self.features(encoder, section, fold)

    def features(
        self, encoder: str | None, section: str, fold: Fold | None = None, *, view: int = 0
    ) -> Float[np.ndarray, "N D"]:
        """Features of every spot of a section, as a fold sees it.

        View 0 is the tissue as it is, the others are jittered. `fold` must be given where slides
        are normalised: each fold has its own reference.
        """
        tiles = self._read_as(fold)
        if tiles.stain != self._held:
            self._features.clear()
            self._held = tiles.stain
        opened = self.opened(encoder, fold)[1]
        key = (opened.identity, section, view)
        if key not in self._features:
            found = embed(
                self.cohort[section],
                opened,
                self._viewed(tiles, section, view),
                precision=self.settings.run.precision,
                cache=self.cache,
                look=self._colours.look(section) if self.normalised else None,
            )
            self._features[key], self._precision[key] = found.values, found.precision
        return self._features[key]

    def target(self, train: SpotRows) -> Target:
        """Panel and transform fitted on these spots only, unless the leak `panel` is named."""
        parts = [(self.cohort[section], rows) for section, rows in sorted(train.items())]
        every = None
        if "panel" in self.settings.folds.leaks:
            every = [(section, np.arange(len(section.spots))) for section in self.cohort]
        return fit_target(parts, self.settings.target, every)

    def tiles(
        self, section: str, fold: Fold | None = None, *, view: int = 0
    ) -> UInt8[np.ndarray, "N P P 3"]:
        """The tiles of every spot of a section, as a fold sees it; mapped, not held."""
        return stored_tiles(
            self.cohort[section],
            self._viewed(self._read_as(fold), section, view),
            cache=self.cache,
            look=self._colours.look(section) if self.normalised else None,
        )

    def queries(self, row: ModelRow, section: str, fold: Fold) -> SpotQueries:
        """The test spots of a section, as a fitted row is asked for them."""
        rows, of = fold.test[section], self.cohort[section]
        image = StackedTiles([(self.tiles(section, fold), rows)]) if row.sees_tiles else None
        return SpotQueries(
            feature=self.features(row.encoder, section, fold)[rows],
            section=len(rows) * (section,),
            patient=len(rows) * (of.patient,),
            spot=tuple(of.spots.ids[spot] for spot in rows),
            encoder=self.opened(row.encoder, fold)[1].identity,
            image=image,
        )

    def table(
        self, fold: Fold, target: Target, encoder: str | None, *, tiles: bool = False
    ) -> SpotTable:
        """The training spots of a fold as a model is fitted on them, sections in sorted order.

        Jittered views lie below the spots as they are. Inner splits fit on all views and choose
        on spots as they are, as test spots will be. With `tiles`, a model can look at pixels.
        """
        parts, cohort = sorted(fold.train.items()), self.cohort
        views = range(1 + self.n_views)
        stacked = len(views) * parts
        n_spots = sum(len(rows) for _, rows in parts)
        starts = np.array([view * n_spots for view in views])
        return SpotTable(
            feature=np.concatenate(
                [self.features(encoder, s, fold, view=v)[rows] for v in views for s, rows in parts]
            ),
            target=np.concatenate([target.apply(cohort[s], rows) for s, rows in stacked]),
            log_total=np.concatenate([log_total(cohort, s, rows) for s, rows in stacked]),
            section=tuple(s for s, rows in stacked for _ in rows),
            patient=tuple(str(cohort.patients[s]) for s, rows in stacked for _ in rows),
            spot=tuple(cohort[s].spots.ids[row] for s, rows in stacked for row in rows),
            inner=tuple(
                (
                    (starts[:, None] + _places(fold.train, inner.fit)).ravel(),
                    _places(fold.train, inner.val),
                )
                for inner in fold.inner
            ),
            encoder=self.opened(encoder, fold)[1].identity,
            copies=len(views),
            image=self._images(fold) if tiles else None,
        )

    def _images(self, fold: Fold) -> StackedTiles:
        views = range(1 + self.n_views)
        parts = sorted(fold.train.items())
        return StackedTiles(
            [(self.tiles(s, fold, view=view), rows) for view in views for s, rows in parts]
        )

    def _viewed(self, tiles: Tiles, section: str, view: int) -> Tiles:
        if view == 0:
            return tiles
        strength, seed = self.settings.inputs.hed_jitter, self.settings.seed
        return replace(tiles, jitter=HedJitter(strength, seed, f"hed-{section}-{view}"))


def _problems(items: Iterable[T], check: Callable[[T], object]) -> list[Problem]:
    """What a check has against each of these items."""
    found: list[Problem] = []
    for item in items:
        try:
            check(item)
        except DataContractError as error:
            found += error.problems
    return found


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
