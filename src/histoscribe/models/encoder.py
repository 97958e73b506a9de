"""Encoders by name: what turns a tile into a feature, where it comes from, and how to load it."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.errors import DataContractError, Problem
from histoscribe.models.colour_texture import ColourTexture, MeanColour

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """What a user must know of an encoder before choosing it."""

    name: str
    width: int
    """Features per tile, at the default layer."""
    input_px: int | None = None
    """The only tile side it can take (tiles are resized to it); None where any does."""
    mpp: float | None = None
    """um/px it was trained at; None where that has no meaning."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB in 0..1."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divides what is left."""
    licence: str
    paper: str
    needs_weights: bool


_RECORDS = (
    EncoderRecord(
        name="colour_texture",
        width=ColourTexture.width,
        licence="BSD-3-Clause",
        paper="histoscribe; stain vectors of Ruifrok and Johnston 2001",
        needs_weights=False,
    ),
    EncoderRecord(
        name="mean_colour",
        width=MeanColour.width,
        licence="BSD-3-Clause",
        paper="histoscribe",
        needs_weights=False,
    ),
    EncoderRecord(
        name="torchvision:squeezenet1_0",
        width=512,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        licence="BSD-3-Clause",
        paper="arXiv:1602.07360",
        needs_weights=True,
    ),
)


@final
class Encoder(nn.Module):
    """A frozen net that turns tiles into features; it stays in evaluation mode."""

    mean: Tensor
    std: Tensor

    def __init__(self, record: EncoderRecord, net: nn.Module, layer: str, weights: str) -> None:
        super().__init__()
        self.record = record
        self.layer = layer
        """Module whose output is averaged over the tile; `default` for the encoder's own."""
        self.weights = weights
        """`none`, `sha256:...` of the file, or `random:<seed>`."""
        self.net = net.eval().requires_grad_(requires_grad=False)
        self.register_buffer("mean", 255 * torch.tensor(record.mean)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(record.std)[:, None, None])

    @property
    def width(self) -> int:
        """Features per tile, at the layer used."""
        return self.record.width

    @property
    def identity(self) -> str:
        """Everything that decides the features of given pixels, in one stable string."""
        return "/".join((self.record.name, self.layer, self.weights))

    def train(self, mode: bool = True) -> "Encoder":  # noqa: FBT001, FBT002 - torch's signature
        """Stay in evaluation mode, whatever the model around it does."""
        del mode
        return super().train(mode=False)

    def forward(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B D"]:
        """Features of tiles in 0..255; a float image gets its gradient."""
        normal = (image.to(self.mean.dtype) - self.mean) / self.std
        side_px = self.record.input_px
        if side_px is not None and normal.shape[-1] != side_px:
            normal = functional.interpolate(
                normal, size=(side_px, side_px), mode="bilinear", antialias=True
            )
        return self.net(normal).float()


def list_encoders() -> tuple[EncoderRecord, ...]:
    """Encoders known by name; besides, `torchvision:<model>` and `timm:<model>` with a file."""
    return _RECORDS


def load_encoder(
    name: str,
    *,
    layer: str | None = None,
    weights: Path | None = None,
    random_seed: int | None = None,
) -> Encoder:
    """Make an encoder by name, offline.

    Parameters
    ----------
    layer
        Module of a torchvision or timm net to read, e.g. `features.10`; default its last.
    weights
        A safetensors file; every tensor of the net must be in it and none besides.
    random_seed
        Draws the weights instead: for tests, and as a control.

    Raises
    ------
    DataContractError
        Unknown name or layer, weights missing (and random not asked for) or not fitting.
    """
    if name in ("colour_texture", "mean_colour"):
        return _fixed(name, layer, weights, random_seed)
    family, _, model = name.partition(":")
    if family not in ("torchvision", "timm") or not model:
        raise DataContractError(_unknown(name))
    source = weights if random_seed is None else random_seed
    if source is None or (weights is not None and random_seed is not None):
        raise DataContractError(_no_weights(name, given=source is not None))
    return _pretrained(name, layer, source)


def _fixed(name: str, layer: str | None, weights: Path | None, seed: int | None) -> Encoder:
    """Make an encoder that has nothing to load."""
    given = {"a layer": layer, "weights": weights, "random weights": seed}
    problems = [
        Problem(f"encoder {name}", f"{what} given", "none: it has none", "leave it out")
        for what, value in given.items()
        if value is not None
    ]
    if problems:
        raise DataContractError(problems)
    record = next(record for record in _RECORDS if record.name == name)
    # the version changes with the numbers, so that no cache gives features of older code
    net = ColourTexture() if name == "colour_texture" else MeanColour()
    return Encoder(record, net, layer=f"version-{net.version}", weights="none")


def _pretrained(name: str, layer: str | None, weights: Path | int) -> Encoder:
    """Make a torchvision or timm encoder from a file or a seed."""
    # torchvision and timm take seconds to import, and most runs need neither
    from histoscribe.models.backbone import load_backbone

    backbone = load_backbone(name, layer, weights)
    known = next((record for record in _RECORDS if record.name == name), None)
    record = EncoderRecord(
        name=name,
        width=backbone.width,
        input_px=backbone.input_px,
        mean=backbone.mean,
        std=backbone.std,
        licence=known.licence if known else backbone.licence,
        paper=known.paper if known else backbone.paper,
        needs_weights=True,
    )
    return Encoder(record, backbone.net, layer or "default", backbone.weights)


def _unknown(name: str) -> Problem:
    names = [record.name for record in _RECORDS]
    near = get_close_matches(name, names, n=2)
    return Problem(
        where=f"encoder {name!r}",
        found="no encoder of this name",
        expected=f"one of {', '.join(names)}, torchvision:<model> or timm:<model>",
        remedy=f"did you mean {' or '.join(near)}?" if near else "choose one of these",
    )


def _no_weights(name: str, *, given: bool) -> Problem:
    return Problem(
        where=f"encoder {name}",
        found="both a weights file and random weights" if given else "no weights",
        expected="a safetensors file with its trained weights",
        remedy="give one of the two"
        if given
        else f"give the file (--weights {name}=FILE), or ask for random weights by name",
    )
