"""Turns of training tiles by any angle, and mirror images: each pixel is the nearest one.

A turned square does not fill a square. Either a larger tile is read and the centre of the turned
one is kept, or the corners get the mean colour of ImageNet, as in the published recipe of TCGN.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.items.items import Batch
from histoscribe.encoders.record import IMAGENET_MEAN
from histoscribe.models.layers.image_input import resized

MEAN_COLOUR = tuple(255 * channel for channel in IMAGENET_MEAN)
"""Mean colour of ImageNet, 0-255: zero after the usual normalisation."""


@final
@dataclass(frozen=True)
class AnyAngle:
    """Resize tiles, turn them by up to 180 degrees, and mirror half of them in each direction."""

    tile_px: int
    """Side of a tile, without a margin."""
    side_px: int
    """Side of the turned tile, after the resizing."""

    def draw(self, draws: np.random.Generator, n_items: int) -> Float[np.ndarray, "N 3"]:
        """Three numbers in 0..1 for each item: its angle, and whether it is mirrored."""
        return draws.random((n_items, 3))

    def apply(self, batch: Batch, drawn: Float[np.ndarray, "B 3"]) -> Batch:
        """Turn the tile of each item; tiles may have a margin, which is cut off."""
        degrees, mirrors = 360 * drawn[:, 0] - 180, 1 - 2 * (drawn[:, 1:] < 0.5)
        image, scale = batch["image"], self.side_px / self.tile_px
        margin_px = round((image.shape[-1] - self.tile_px) / 2 * scale)
        scaled = resized(image, self.side_px + 2 * margin_px)
        return {**batch, "image": turned_by_angle(scaled, degrees, mirrors, self.side_px)}


def turn_margin_px(tile_px: int) -> int:
    """Margin on each side of a tile that fills its corners at any angle."""
    return math.ceil((math.ceil(tile_px * math.sqrt(2)) - tile_px) / 2)


def turned_by_angle(
    image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
    degrees: Float[np.ndarray, " B"],
    mirrors: Int[np.ndarray, "B 2"],
    side_px: int,
) -> Float[Tensor, "B 3 S S"]:
    """Centre of each tile after a turn: the nearest pixel, or the mean colour outside the tile.

    Parameters
    ----------
    degrees
        Angle of each tile, from x towards the top.
    mirrors
        -1 mirrors the turned tile from left to right, or from top to bottom; 1 does not.
    side_px
        Side of the result.
    """
    width, n_tiles = image.shape[-1], len(image)
    column, row = _sources(np.radians(degrees), mirrors, side_px, width / 2)
    inside = torch.from_numpy((np.minimum(column, row) >= 0) & (np.maximum(column, row) < width))
    place = torch.from_numpy(np.clip(row, 0, width - 1) * width + np.clip(column, 0, width - 1))
    pixels = image.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, 3, -1))
    turned = pixels.view(n_tiles, 3, side_px, side_px).float()
    return torch.where(inside[:, None], turned, torch.tensor(MEAN_COLOUR).view(3, 1, 1))


def _sources(
    angle: Float[np.ndarray, " B"], mirrors: Int[np.ndarray, "B 2"], side_px: int, centre: float
) -> tuple[Int[np.ndarray, "B S S"], Int[np.ndarray, "B S S"]]:
    """Column and row of the pixel that each pixel of the turned tiles shows."""
    offset = np.arange(side_px) - (side_px - 1) / 2  # of the centres of pixels, from the middle
    x = (mirrors[:, :1] * offset)[:, None, :]
    y = (mirrors[:, 1:] * offset)[:, :, None]
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    column = np.floor(cosine * x - sine * y + centre).astype(np.int64)
    row = np.floor(sine * x + cosine * y + centre).astype(np.int64)
    return column, row
