"""Opening an encoder by its settings, with weights that are where they should be."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from histoscribe.data.stain import TissueColour
from histoscribe.data.tiles import Tiles
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.weights import find_weights, weight_places
from histoscribe.models.base import make_config
from histoscribe.models.encoder import (
    Encoder,
    hub_files,
    load_encoder,
    missing_weights,
    needs_weights,
)
from histoscribe.models.perceptual import load_perceptual
from histoscribe.models.style_encoder import EXTRACTOR
from histoscribe.seed import integer
from histoscribe.train.config import InputSettings, RunSettings
from histoscribe.train.device import choose_device
from histoscribe.train.extractor import Windows, trained_extractor
from histoscribe.train.rows import Row

WeightFiles = Mapping[str, Path]


@dataclass(frozen=True)
class Encoding:
    """How pixels became features: enough to do the same again, and to notice when it is not."""

    encoder: str
    layer: str | None
    weights: str
    """`none`, `sha256:...` or `random:<seed>`."""
    tile_px: int
    mpp: float
    white_off_tissue: bool
    precision: Literal["float32", "bfloat16"]
    stain: TissueColour | None = None
    """Colour of the training slides, which every slide is given; None leaves slides as they are."""

    @property
    def tiles(self) -> Tiles:
        """Tiles as they are read to predict from."""
        return Tiles(
            self.tile_px, self.mpp, white_off_tissue=self.white_off_tissue, stain=self.stain
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values; the stain only where there is one."""
        value = asdict(self)
        return value if self.stain else {k: v for k, v in value.items() if k != "stain"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Encoding":
        """Take back what `to_json` gave."""
        stain = value.get("stain")
        return cls(**{**value, "stain": stain and TissueColour.from_json(stain)})

    def open(self, given: WeightFiles) -> Encoder:
        """Open the same encoder again; other weights than these are refused."""
        kind, _, detail = self.weights.partition(":")
        encoder = load_encoder(
            self.encoder,
            layer=self.layer,
            weights=_weights(self.encoder, given) if kind == "sha256" else None,
            random_seed=int(detail) if kind == "random" else None,
        )
        if encoder.weights != self.weights:
            raise DataContractError(
                Problem(
                    where=f"weights of {self.encoder}",
                    found=encoder.weights,
                    expected=f"{self.weights}, with which the predictor was trained",
                    remedy=f"give that file: --weights {self.encoder}=FILE",
                )
            )
        return encoder


def open_encoding(
    settings: RunSettings, encoder: str | None, given: WeightFiles
) -> tuple[Encoding, Encoder]:
    """Open the run's encoder, or the one a model insists on, on the run's device."""
    inputs: InputSettings = settings.inputs
    name = inputs.encoder if encoder is None else encoder
    layer = inputs.layer if encoder is None else None
    # a row may read an encoder that has nothing to draw
    random = inputs.weights == "random" and (encoder is None or needs_weights(name))
    opened = load_encoder(
        name,
        layer=layer,
        weights=None if random else _weights(name, given),
        random_seed=integer(settings.seed, f"weights-{name}") if random else None,
    )
    used = _used(settings, name, layer, opened.weights)
    return used, opened.to(choose_device(settings.run.device))


def learned_encoding(
    settings: RunSettings, windows: Windows, given: WeightFiles, cache: Path
) -> tuple[Encoding, Encoder]:
    """Train the extractor of a fold on the windows of its training spots, or take it up again.

    Raises
    ------
    DataContractError
        The windows have a side that it cannot take, or no net is there to compare windows by.
    """
    device = choose_device(settings.run.device)
    opened = trained_extractor(
        windows,
        settings.extractor,
        perceptual=load_perceptual(settings.extractor.perceptual, given=given).to(device),
        seed=settings.seed,
        cache=cache,
        device=device,
    )
    return _used(settings, EXTRACTOR, None, opened.weights), opened


def initial_weights(row: Row, given: WeightFiles) -> Path | None:
    """The file that a pretrained backbone starts from; None for a model that has none.

    Raises
    ------
    DataContractError
        It is nowhere.
    """
    pretrained = getattr(row.cls, "pretrained", None)
    if pretrained is None or make_config(row.model, row.settings).weights == "random":
        return None
    return weights_file(pretrained, given, f'settings.{row.name}.weights = "random"')


def weights_file(name: str, given: WeightFiles, as_control: str) -> Path:
    """The weights file of an encoder that has weights.

    Raises
    ------
    DataContractError
        It is nowhere; `as_control` is the setting that takes random weights.
    """
    found = find_weights(name, given, hub_files(name))
    if found is None:
        raise DataContractError(missing_weights(name, weight_places(name), as_control))
    return found


def _weights(name: str, given: WeightFiles) -> Path | None:
    """The weights file of an encoder that has weights; None for one that has none to load."""
    if not needs_weights(name):
        return None
    return weights_file(name, given, 'inputs.weights = "random"')


def _used(settings: RunSettings, name: str, layer: str | None, weights: str) -> Encoding:
    """How a run uses an encoder."""
    inputs = settings.inputs
    return Encoding(
        encoder=name,
        layer=layer,
        weights=weights,
        tile_px=inputs.tile_px,
        mpp=inputs.mpp,
        white_off_tissue=inputs.white_off_tissue,
        precision=settings.run.precision,
    )
