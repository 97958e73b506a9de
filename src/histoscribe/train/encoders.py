"""Sources of the encoders of a run: known by name, or trained by each fold."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

from histoscribe.device import choose_device
from histoscribe.encoders.catalog import EXTRACTOR, needs_weights
from histoscribe.encoders.egn_extractor.training import side_problems, trained_extractor
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.encoders.feature_l1 import load_reconstruction_loss
from histoscribe.errors import DataContractError, Problem
from histoscribe.predictor.encoding import WeightFiles, weights_of
from histoscribe.seed import integer
from histoscribe.train.fold_tiles import FoldTiles
from histoscribe.train.settings import InputSettings, RunSettings
from histoscribe.types import Fold


@dataclass(frozen=True)
class EncoderIdentity:
    """Everything known before training that decides the features of an encoder."""

    encoder: str
    layer: str | None
    weights: str
    """`none`, `sha256:...`, `random:<seed>`, or words if each fold has other weights."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """See `EncoderSource.needs`."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        own = {"encoder": self.encoder, "layer": self.layer, "weights": self.weights}
        return own | ({"needs": dict(self.needs)} if self.needs else {})


class EncoderSource(ABC):
    """Encoder of one or more rows of a run, independent of its source."""

    name: str
    layer: str | None = None
    by_fold: bool
    """Whether each fold has other weights: features then differ from fold to fold."""

    def __init__(
        self, encoder: str | None, settings: RunSettings, weights: WeightFiles, tiles: FoldTiles
    ) -> None:
        """Source of the run's encoder (None), or of the one with this name that a row reads.

        `weights` are files by name; `tiles` are the tiles of the run's spots, for training.
        """
        self.name = settings.inputs.encoder if encoder is None else encoder
        self.of_run = encoder is None
        self.settings, self.weights, self.tiles = settings, weights, tiles

    @abstractmethod
    def needs(self) -> Mapping[str, str]:
        """Check the required files before the long work.

        Returns the files that it needs besides its weights, by name, with their checksums.

        Raises
        ------
        DataContractError
            if weights are missing or a setting does not fit.
        """

    @abstractmethod
    def identity(self) -> EncoderIdentity:
        """Everything that decides its features; a resumed run must have the same."""

    @abstractmethod
    def open(self, fold: Fold | None) -> Encoder:
        """The encoder as a fold uses it, on the run's device; the same weights each time.

        Only an encoder that is the same in all folds can be opened without a fold.
        """


@final
class NamedEncoder(EncoderSource):
    """A named encoder: with published weights, random ones or none."""

    by_fold = False

    def __init__(
        self, encoder: str | None, settings: RunSettings, weights: WeightFiles, tiles: FoldTiles
    ) -> None:
        super().__init__(encoder, settings, weights, tiles)
        self.layer = settings.inputs.layer if self.of_run else None

    def needs(self) -> Mapping[str, str]:
        """Open the encoder, so that missing weights are reported; nothing else is needed."""
        self.open(None)
        return {}

    def identity(self) -> EncoderIdentity:
        """Name, layer and the checksum of its weights."""
        return EncoderIdentity(self.name, self.layer, self._encoder.weights)

    def open(self, fold: Fold | None) -> Encoder:
        """Encoder of all folds."""
        del fold
        return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        settings = self.settings
        # a row may use an encoder without weights to draw
        random = settings.inputs.weights == "random" and (self.of_run or needs_weights(self.name))
        opened = load_encoder(
            self.name,
            layer=self.layer,
            weights=None if random else weights_of(self.name, self.weights),
            random_seed=integer(settings.seed, f"weights-{self.name}") if random else None,
        )
        return opened.to(choose_device(settings.run.device))


@final
class TrainedExtractor(EncoderSource):
    """The extractor of EGN, trained in each fold on windows of its training sections."""

    by_fold = True

    def __init__(
        self, encoder: str | None, settings: RunSettings, weights: WeightFiles, tiles: FoldTiles
    ) -> None:
        super().__init__(encoder, settings, weights, tiles)
        self._opened: dict[str, Encoder] = {}

    def needs(self) -> Mapping[str, str]:
        """Find the net of its perceptual term.

        Raises
        ------
        DataContractError
            if this net is missing, the extractor does not support tiles of this side, or a setting
            does not apply to it.
        """
        return self._needs

    def identity(self) -> EncoderIdentity:
        """Name and net of the perceptual term; the settings of a run decide the rest."""
        return EncoderIdentity(self.name, None, "trained in each fold", self._needs)

    def open(self, fold: Fold | None) -> Encoder:
        """Extractor of a fold: read from the cache, or trained now."""
        if fold is None:
            raise ValueError("each fold trains this encoder separately: give the fold")
        if fold.name not in self._opened:
            settings = self.settings
            device = choose_device(settings.run.device)
            perceptual = load_reconstruction_loss(settings.extractor.perceptual, given=self.weights)
            self._opened[fold.name] = trained_extractor(
                self.tiles.windows(fold),
                settings.extractor,
                perceptual=perceptual.to(device),
                seed=settings.seed,
                cache=self.tiles.cache,
                device=device,
            )
        return self._opened[fold.name]

    @cached_property
    def _needs(self) -> Mapping[str, str]:
        settings = self.settings
        side_px = settings.inputs.tile_px
        problems = [*side_problems(side_px), *_of_frozen_nets(self.name, settings.inputs)]
        if problems:
            raise DataContractError(problems)
        try:
            settings.extractor.nets(side_px)
        except ValueError as error:
            raise DataContractError(_without_channels(error)) from None
        perceptual = load_reconstruction_loss(settings.extractor.perceptual, given=self.weights)
        return {"compared_by": f"{perceptual.name} {perceptual.source}"}


SOURCES: dict[str, type[EncoderSource]] = {EXTRACTOR: TrainedExtractor}
"""Encoders with a special source, by name; all others are `NamedEncoder`s."""


def encoder_source(
    encoder: str | None, settings: RunSettings, weights: WeightFiles, tiles: FoldTiles
) -> EncoderSource:
    """Source of the run's encoder (None), or of one that a row names."""
    name = settings.inputs.encoder if encoder is None else encoder
    return SOURCES.get(name, NamedEncoder)(encoder, settings, weights, tiles)


def _of_frozen_nets(name: str, inputs: InputSettings) -> Iterator[Problem]:
    """Problems of settings that a trained encoder would ignore."""
    # a layer is asked of the run's own encoder, random weights of that of every row
    asked = {
        "layer": inputs.layer if inputs.encoder == name else None,
        "weights": inputs.weights if inputs.weights == "random" else None,
    }
    for setting, value in asked.items():
        if value is not None:
            yield Problem(
                where=f"settings, inputs.{setting}",
                found=f'"{value}", together with the encoder {name}',
                expected="no such setting: each fold trains this encoder and uses its code",
                remedy=f"remove inputs.{setting}, or use another encoder",
            )


def _without_channels(error: ValueError) -> Problem:
    return Problem(
        where="settings, extractor",
        found=str(error),
        expected="at least one channel in every map of the nets",
        remedy="raise extractor.width or extractor.full_width_px",
    )
