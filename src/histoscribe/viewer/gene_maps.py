"""Maps of all genes of a view at one byte a value, made once and kept in the cache folder."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from histoscribe.io.atomic import replacing_folder
from histoscribe.io.byte_map import (
    RANGES,
    Blocks,
    ByteMap,
    GeneRange,
    is_byte_folder,
    read_byte_maps,
    write_byte_maps,
)
from histoscribe.viewer.slide_view import GeneValues, SlideView

Kind = Literal["predicted", "measured", "difference"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_VERSION = 1
"""Increases when the same values would give other files."""
_MOST_FOLDERS = 32
"""Maps of so many views stay in the cache, the newest ones."""


@dataclass(eq=False)
class GeneMaps:
    """Maps of the genes of one view."""

    view: SlideView
    cache: Path

    def __post_init__(self) -> None:
        self._lock = Lock()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of values of this view; no difference where the units differ."""
        values = self.view.values
        if values.measured is None:
            return KINDS[:1]
        return KINDS if _is_comparable(self.view) else KINDS[:2]

    def map(self, kind: Kind) -> ByteMap:
        """Map of one kind; the maps of all kinds are made when the first one is read."""
        with self._lock:
            folder = self._folder
            if not is_byte_folder(folder, self.kinds):
                with replacing_folder(folder, RANGES) as new:
                    write_byte_maps(new, len(self.view.head.spots), self._ranged())
                _tidy(folder.parent)
            return read_byte_maps(folder, self.kinds)[kind]

    @property
    def _folder(self) -> Path:
        key = f"{_VERSION} {self.view.values.identity} {self.kinds}"
        return self.cache / "viewer" / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _ranged(self) -> dict[str, tuple[Blocks, GeneRange]]:
        """Values of each kind with their ranges, which take a pass over the values."""
        values = self.view.values
        ranges = {"predicted": GeneRange.of(values.predicted())}
        blocks: dict[str, Blocks] = {"predicted": values.predicted}
        if values.measured is not None:
            blocks["measured"] = values.measured
            ranges["measured"] = GeneRange.of(values.measured())
        if "difference" in self.kinds:
            ranges["predicted"] = ranges["measured"] = ranges["predicted"].joined(
                ranges["measured"]
            )
            blocks["difference"] = lambda: _differences(values)
            ranges["difference"] = GeneRange.of(_differences(values)).around_zero()
        return {kind: (blocks[kind], ranges[kind]) for kind in self.kinds}


def _is_comparable(view: SlideView) -> bool:
    """Whether predicted and measured values have one unit."""
    return view.values.measured_unit == view.head.unit


def _differences(values: GeneValues) -> Iterator[Float[np.ndarray, "_ G"]]:
    """Predicted minus measured values."""
    if values.measured is None:
        raise ValueError("nothing was measured")
    for predicted, measured in zip(values.predicted(), values.measured(), strict=True):
        yield predicted - measured


def _tidy(folder: Path) -> None:
    """Remove the maps of views that were made longest ago."""
    folders = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns)
    for old in folders[:-_MOST_FOLDERS]:
        shutil.rmtree(old, ignore_errors=True)
