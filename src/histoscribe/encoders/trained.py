"""Encoders that a run trains for itself: how their weights are written and read again.

To add one: an entry here, and the class that trains it in `train/encoders.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.encoder import (
    StyleEncoder,
    extractor_record,
    load_extractor,
    save_extractor,
)
from histoscribe.encoders.record import EncoderRecord


@dataclass(frozen=True)
class TrainedFormat:
    """How the weights of one kind of trained encoder lie in a file."""

    save: Callable[[nn.Module, Path], None]
    """Write the weights of a net."""
    load: Callable[[Path], tuple[nn.Module, EncoderRecord, str]]
    """Read them again: the net, what must be known of it, and the file as `sha256:<hex>`."""


def _save_extractor(net: nn.Module, path: Path) -> None:
    if not isinstance(net, StyleEncoder):
        raise TypeError(f"{EXTRACTOR} is a StyleEncoder, not a {type(net).__name__}")
    save_extractor(net, path)


def _load_extractor(path: Path) -> tuple[nn.Module, EncoderRecord, str]:
    net, checksum = load_extractor(path)
    return net, extractor_record(net.config), checksum


TRAINED: dict[str, TrainedFormat] = {EXTRACTOR: TrainedFormat(_save_extractor, _load_extractor)}
"""Name of the encoder -> its format."""


def is_trained(name: str) -> bool:
    """Whether runs train the encoder of this name, each for its own training patients."""
    return name in TRAINED
