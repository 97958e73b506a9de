"""Encoding: how pixels became features, and the same encoder opened again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from histoscribe.data.stain import TissueColour
from histoscribe.data.tiles import Tiles
from histoscribe.encoders.catalog import hub_files, missing_weights, needs_weights
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.encoders.trained import is_trained
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.weights import find_weights, weight_places

WeightFiles = Mapping[str, Path]


@dataclass(frozen=True)
class Encoding:
    """Complete description of how pixels became features: enough to repeat it and to verify it."""

    encoder: str
    layer: str | None
    weights: str
    """`none`, `sha256:...` or `random:<seed>`."""
    tile_px: int
    mpp: float
    white_off_tissue: bool
    precision: Literal["float32", "bfloat16"]
    stain: TissueColour | None = None
    """Colour of the training slides, applied to every slide; None leaves slides unchanged."""

    @property
    def trained(self) -> bool:
        """Whether a run trained the encoder: its weights are then in the predictor's folder."""
        return is_trained(self.encoder)

    @property
    def needed_weights(self) -> Mapping[str, str]:
        """Weights that users of the predictor need, by name, with their checksum."""
        published = not self.trained and self.weights.startswith("sha256:")
        return {self.encoder: self.weights} if published else {}

    def same_encoder(self, encoder: str, layer: str | None, weights: str) -> bool:
        """Whether another fit of the same settings may use this encoder.

        An encoder trained by a run has other weights in each fit with the same settings.
        """
        same = (self.encoder, self.layer) == (encoder, layer)
        return same and (self.trained or self.weights == weights)

    @property
    def tiles(self) -> Tiles:
        """Tiles for prediction."""
        return Tiles(
            self.tile_px, self.mpp, white_off_tissue=self.white_off_tissue, stain=self.stain
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; the stain only if there is one."""
        value = asdict(self)
        return value if self.stain else {k: v for k, v in value.items() if k != "stain"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Encoding":
        """Restore a value from `to_json`."""
        stain = value.get("stain")
        return cls(**{**value, "stain": stain and TissueColour.from_json(stain)})

    def open(self, given: WeightFiles) -> Encoder:
        """Open the same encoder again; other weights are refused."""
        kind, _, detail = self.weights.partition(":")
        encoder = load_encoder(
            self.encoder,
            layer=self.layer,
            weights=weights_of(self.encoder, given) if kind == "sha256" else None,
            random_seed=int(detail) if kind == "random" else None,
        )
        if encoder.weights != self.weights:
            raise DataContractError(
                Problem(
                    where=f"weights of {self.encoder}",
                    found=encoder.weights,
                    expected=f"{self.weights}, as in the training of the predictor",
                    remedy=f"give that file: --weights {self.encoder}=FILE",
                )
            )
        return encoder


def weights_file(name: str, given: WeightFiles, as_control: str) -> Path:
    """The weights file of an encoder that has weights.

    Raises
    ------
    DataContractError
        if it is not found; `as_control` is the setting for random weights.
    """
    found = find_weights(name, given, hub_files(name))
    if found is None:
        raise DataContractError(missing_weights(name, weight_places(name), as_control))
    return found


def weights_of(name: str, given: WeightFiles) -> Path | None:
    """Weight file of an encoder; None for an encoder without weights."""
    if not (needs_weights(name) or is_trained(name)):
        return None
    return weights_file(name, given, 'inputs.weights = "random"')
