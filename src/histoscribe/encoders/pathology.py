"""Encoders trained on pathology images: facts and architectures from `pathology.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD, EncoderRecord


@dataclass(frozen=True, eq=False, kw_only=True)
class NetSpec:
    """Architecture of a published encoder, in timm's terms."""

    net: str
    """timm's name of the architecture, or `ctranspath`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Differences from timm's architecture of that name."""
    swiglu: bool = False
    """The blocks' hidden layer is gated (SwiGLU), both halves packed in one matrix."""
    norm_eps: float | None = None
    """Epsilon of the layer norms, if not timm's."""
    file_px: int | None = None
    """Tile side of the position table in the published file, if not the encoder's."""


_FACTS = tuple(name for name in EncoderRecord.__dataclass_fields__ if name != "name")


def read_table(text: str) -> dict[str, tuple[EncoderRecord, NetSpec]]:
    """Read facts and architectures in the form of `pathology.toml`, by name.

    Raises TypeError for a field that is missing or that neither `EncoderRecord` nor `NetSpec` has.
    """
    table = tomllib.loads(text)
    return {name: (_record(name, facts), _recipe(facts)) for name, facts in table.items()}


def _record(name: str, facts: Mapping[str, Any]) -> EncoderRecord:
    shared: dict[str, Any] = {
        "group": "pathology",
        "read": "class",
        "input_px": None if facts.get("any_px") else 224,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "needs_weights": True,
    }
    own = {key: _fixed(value) for key, value in facts.items() if key in _FACTS}
    return EncoderRecord(name=name, **shared | own)


def _recipe(facts: Mapping[str, Any]) -> NetSpec:
    rest = {key: value for key, value in facts.items() if key not in (*_FACTS, "any_px")}
    return NetSpec(**rest)


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


PATHOLOGY = read_table(files("histoscribe.encoders").joinpath("pathology.toml").read_text("utf-8"))
"""Facts and architecture of each encoder, by name."""
