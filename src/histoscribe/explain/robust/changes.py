"""Changes of tiles, step by step: stain, blur, um/px, compression and rotation.

A change sees tiles as the predictor reads them. Pixels that are pure white, as the background off
the tissue is, stay white.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from scipy.ndimage import gaussian_filter
from torch import Tensor

from histoscribe.data.images import SlideTiles
from histoscribe.data.jitter import HedJitter, hed_jitter
from histoscribe.data.tiles import Tiles
from histoscribe.explain.changed_tiles import ChangedTiles, TileChange
from histoscribe.explain.robust.question import RobustQuestionSettings
from histoscribe.io.slides.thumbnail import through_jpeg
from histoscribe.train.any_angle import turn_margin_px, turned_by_angle
from histoscribe.types import Images, Section

GRADIENT = "gradient"
"""Name of the change along the gradient; it needs the model, so `descent` makes it."""
FINER = "finer"
"""Name of the change that needs finer images than the tiles."""
NOISE = "noise"
"""Name of the random change of equal size beside it."""
_SEED = 0  # of drawn gains; nobody needs another one
_QUARTER_TURN = 90.0

Make = Callable[[Section, Tiles, Images, float], Images]
"""Section, its tiles as they are, and a step -> the changed tiles."""


@final
@dataclass(frozen=True, kw_only=True)
class Change:
    """A kind of change that has steps."""

    name: str
    field: str
    """The setting with its steps."""
    unit: str
    most: float
    """Largest step."""
    least: float = 0.0
    """Steps are above it."""
    whole: bool = False
    """Whether steps are whole numbers."""
    falls: bool = False
    """Whether a smaller number is a stronger change, as of the quality of JPEG."""
    without: float = 0.0
    """Where tiles as they are stand among the steps."""
    make: Make | None = None
    """None for the change along the gradient."""

    def steps(self, settings: RobustQuestionSettings) -> tuple[float, ...]:
        """Steps of the settings, the weakest first."""
        given = {
            "stains": settings.stains,
            "blurs": settings.blurs,
            "factors": settings.factors,
            "jpegs": settings.jpegs,
            "angles": settings.angles,
            "greys": settings.greys,
        }
        return tuple(sorted(set(given[self.field]), reverse=self.falls))

    def allows(self, step: float) -> bool:
        """Whether a step lies in the range."""
        return self.least < step <= self.most and not (self.whole and step % 1)

    @property
    def range_words(self) -> str:
        """The range in words."""
        number = "a whole number" if self.whole else "a number"
        return f"{number} above {self.least:g} and up to {self.most:g}"

    def label(self, step: float) -> str:
        """A step with its unit."""
        return f"{self.unit} {step:g}" if self.falls else f"{step:g} {self.unit}".strip()


def _by_pixels(change: Callable[[Section, Tiles, float], TileChange]) -> Make:
    def make(section: Section, tiles: Tiles, images: Images, step: float) -> Images:
        return ChangedTiles(images, _white_kept(change(section, tiles, step)))

    return make


def _white_kept(change: TileChange) -> TileChange:
    def kept(
        image: UInt8[Tensor, "B 3 P P"], rows: Int[np.ndarray, " B"]
    ) -> UInt8[Tensor, "B 3 P P"]:
        white = (image == 255).all(dim=1, keepdim=True)
        return torch.where(white, image, change(image, rows))

    return kept


def _tile_stain(section: Section, tiles: Tiles, step: float) -> TileChange:
    del tiles
    return _stained(*HedJitter(step, _SEED, f"robust-{section.id}").draw(len(section.spots)))


def _slide_stain(section: Section, tiles: Tiles, step: float) -> TileChange:
    del tiles
    gain, shift = HedJitter(step, _SEED, f"robust-slide-{section.id}").draw(1)
    n_spots = len(section.spots)
    return _stained(gain.expand(n_spots, -1), shift.expand(n_spots, -1))


def _stained(gain: Float32[Tensor, "N 3"], shift: Float32[Tensor, "N 3"]) -> TileChange:
    return lambda image, rows: hed_jitter(image, gain[rows], shift[rows])


def _blurred(section: Section, tiles: Tiles, step: float) -> TileChange:
    del section
    sigma_px = step / tiles.mpp

    def blur(
        image: UInt8[Tensor, "B 3 P P"], rows: Int[np.ndarray, " B"]
    ) -> UInt8[Tensor, "B 3 P P"]:
        del rows
        pixels = image.numpy().astype(np.float32)
        smooth = gaussian_filter(pixels, (0, 0, sigma_px, sigma_px), mode="mirror")
        return torch.from_numpy(np.rint(smooth).clip(0, 255).astype(np.uint8))

    return blur


def _compressed(section: Section, tiles: Tiles, step: float) -> TileChange:
    del section, tiles

    def compress(
        image: UInt8[Tensor, "B 3 P P"], rows: Int[np.ndarray, " B"]
    ) -> UInt8[Tensor, "B 3 P P"]:
        del rows
        pixels = image.permute(0, 2, 3, 1).numpy()
        kept = np.stack([through_jpeg(tile, int(step)) for tile in pixels])
        return torch.from_numpy(kept).permute(0, 3, 1, 2)

    return compress


def _rescaled(section: Section, tiles: Tiles, images: Images, factor: float) -> Images:
    """Tiles read as if the um/px of the slide were stated wrongly."""
    del images
    return SlideTiles(section, replace(tiles, mpp=tiles.mpp * factor))


def _coarser(section: Section, tiles: Tiles, images: Images, step: float) -> Images:
    return _rescaled(section, tiles, images, step)


def _finer(section: Section, tiles: Tiles, images: Images, step: float) -> Images:
    return _rescaled(section, tiles, images, 1 / step)


def _turned(section: Section, tiles: Tiles, images: Images, step: float) -> Images:
    """Quarter turns are exact; other angles take the nearest pixels of a larger tile."""
    if step % _QUARTER_TURN == 0:
        n_turns = int(step // _QUARTER_TURN)
        return ChangedTiles(images, lambda image, rows: image.rot90(n_turns, dims=(2, 3)))
    side_px = tiles.side_px
    wide = replace(tiles, side_px=side_px + 2 * turn_margin_px(side_px))
    return _TurnedTiles(SlideTiles(section, wide), step, side_px)


@final
class _TurnedTiles(Images):
    """Centres of larger tiles after a turn."""

    def __init__(self, images: Images, degrees: float, side_px: int) -> None:
        self.side_px = side_px
        self._images, self._degrees = images, degrees

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        degrees = np.full(len(rows), self._degrees)
        mirrors = np.ones((len(rows), 2), dtype=np.int64)
        turned = turned_by_angle(self._images.read(rows), degrees, mirrors, self.side_px)
        return turned.to(torch.uint8)


CHANGES: tuple[Change, ...] = (
    Change(name="tile-stain", make=_by_pixels(_tile_stain), field="stains", unit="", most=0.9),
    Change(name="slide-stain", make=_by_pixels(_slide_stain), field="stains", unit="", most=0.9),
    Change(name="blur", make=_by_pixels(_blurred), field="blurs", unit="um", most=np.inf),
    Change(
        name="coarser",
        make=_coarser,
        field="factors",
        unit="times",
        least=1.0,
        most=4.0,
        without=1.0,
    ),
    Change(
        name=FINER, make=_finer, field="factors", unit="times", least=1.0, most=4.0, without=1.0
    ),
    Change(
        name="compression",
        make=_by_pixels(_compressed),
        field="jpegs",
        unit="quality",
        most=100.0,
        whole=True,
        falls=True,
        without=100.0,
    ),
    Change(name="rotation", make=_turned, field="angles", unit="degrees", most=359.99),
    Change(name=GRADIENT, field="greys", unit="grey levels", most=32.0, whole=True),
)
"""All changes, in the order of figures and tables."""
