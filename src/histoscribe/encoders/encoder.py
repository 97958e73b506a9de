"""Encoders by name: facts, loading, and features of tiles."""

from dataclasses import replace
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.encoders.catalog import (
    find_record,
    missing_weights,
    unknown_encoder,
)
from histoscribe.encoders.colour_texture import ColourTexture, MeanColour
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder, extractor_record
from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.trained import TRAINED, is_trained
from histoscribe.errors import DataContractError, Problem
from histoscribe.precision import whole_convolutions


@final
class Encoder(nn.Module):
    """A frozen net that turns tiles into features; it stays in evaluation mode."""

    mean: Tensor
    std: Tensor

    def __init__(self, record: EncoderRecord, net: nn.Module, layer: str, weights: str) -> None:
        super().__init__()
        self.record = record
        self.layer = layer
        """Module whose output is averaged over the tile; `default` for the encoder's default."""
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
        """Text that identifies net, layer and weights: equal texts give equal features."""
        return "/".join((self.record.name, self.layer, self.weights))

    def train(self, mode: bool = True) -> "Encoder":  # noqa: FBT001, FBT002 - torch's signature
        """Stay in evaluation mode when the surrounding model is set to training."""
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
        with whole_convolutions(normal.device):
            return self.net(normal).float()


def load_encoder(
    name: str,
    *,
    layer: str | None = None,
    weights: Path | None = None,
    random_seed: int | None = None,
) -> Encoder:
    """Load an encoder by name, offline.

    Parameters
    ----------
    layer
        Module of a torchvision or timm net to read, e.g. `features.10`; default its last.
    weights
        A safetensors file, or a torch checkpoint with tensors only; it must contain exactly the
        tensors of the net.
    random_seed
        Seed to draw random weights instead: for tests, and as a control.

    Raises
    ------
    DataContractError
        for an unknown name or layer, and for weights that are missing or do not fit.
    """
    if is_trained(name):
        return _trained(name, layer, weights, random_seed)
    record = find_record(name)
    if record is not None and not record.needs_weights:
        return _fixed(record, layer, weights, random_seed)
    family, _, model = name.partition(":")
    if record is None and (family not in ("torchvision", "timm") or not model):
        raise DataContractError(unknown_encoder(name))
    source = weights if random_seed is None else random_seed
    if weights is not None and random_seed is not None:
        raise DataContractError(_both(name))
    if source is None:
        raise DataContractError(missing_weights(name))
    if name in PATHOLOGY:
        return _published(name, layer, source)
    return _pretrained(name, layer, source)


def _fixed(
    record: EncoderRecord, layer: str | None, weights: Path | None, seed: int | None
) -> Encoder:
    """Load an encoder without weights."""
    given = {"a layer": layer, "weights": weights, "random weights": seed}
    problems = [
        Problem(
            f"encoder {record.name}", f"{what} given", "none: this encoder has none", "leave it out"
        )
        for what, value in given.items()
        if value is not None
    ]
    if problems:
        raise DataContractError(problems)
    # the version changes with the numbers, so that no cache gives features of older code
    net = ColourTexture() if record.name == "colour_texture" else MeanColour()
    return Encoder(record, net, layer=f"version-{net.version}", weights="none")


def extractor_encoder(net: StyleEncoder, weights: str) -> Encoder:
    """Make a frozen encoder from a trained extractor; `weights` is `sha256:...` of its file."""
    return Encoder(extractor_record(net.config), net, layer="default", weights=weights)


def save_trained(encoder: Encoder, path: Path) -> None:
    """Write the weights of an encoder that a run trained; `load_encoder` reads them again."""
    TRAINED[encoder.record.name].save(encoder.net, path)


def _trained(name: str, layer: str | None, weights: Path | None, seed: int | None) -> Encoder:
    """Open an encoder that a run trained."""
    given = {"a layer": layer, "random weights": seed}
    problems = [
        Problem(f"encoder {name}", f"{what} given", "its own weights only", "leave it out")
        for what, value in given.items()
        if value is not None
    ]
    if weights is None:
        problems.append(
            Problem(
                where=f"encoder {name}",
                found="no weights",
                expected=f"the file of an {name} that a run trained on its training patients",
                remedy="name it as inputs.encoder of a run, which trains it, or give the file",
            )
        )
    if problems or weights is None:
        raise DataContractError(problems)
    net, record, checksum = TRAINED[name].load(weights)
    return Encoder(record, net, layer="default", weights=checksum)


def _published(name: str, layer: str | None, weights: Path | int) -> Encoder:
    """Load an encoder of the pathology list, with its authors' pooling."""
    record, recipe = PATHOLOGY[name]
    if layer is not None:
        raise DataContractError(
            Problem(
                f"encoder {name}",
                f"layer {layer!r}",
                "none",
                "leave it out: these encoders are read at their end only",
            )
        )
    # timm takes seconds to import, and most runs do not need it
    from histoscribe.encoders.published import load_published

    net, source = load_published(record, recipe, weights)
    return Encoder(record, net, "default", source)


def _pretrained(name: str, layer: str | None, weights: Path | int) -> Encoder:
    """Load a torchvision or timm encoder from a file or a seed."""
    # torchvision and timm take seconds to import, and most runs need neither
    from histoscribe.encoders.backbone import load_backbone

    net, record, source = load_backbone(name, layer, weights)
    known = find_record(name)
    if known is not None:
        record = replace(known, width=record.width)
    return Encoder(record, net, layer or "default", source)


def _both(name: str) -> Problem:
    return Problem(
        where=f"encoder {name}",
        found="both a weights file and random weights",
        expected="one of the two",
        remedy="give one of the two",
    )
