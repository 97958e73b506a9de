"""Tiles cut into square pieces that change places, or that are turned in their places.

Shuffled pieces keep what a piece shows and lose how pieces lie to each other, as in the jumbled
images of Brendel and Bethge (2019, arXiv:1904.00760). Cutting also makes edges that no tissue has.
Pieces that are turned by 180 degrees and stay in their places have such edges, too, so the two
together tell what new edges do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from histoscribe.errors import Problem
from histoscribe.seed import stream

LEAST_PIECE_PX = 2
"""A smaller piece shows nothing but its colour."""
_SEED = 0  # of the places; nobody needs another one


@final
@dataclass(frozen=True)
class Cut:
    """How a tile is cut."""

    n_side: int
    """Pieces along each side; 1 leaves the tile as it is."""
    turned: bool = False
    """Whether pieces stay in their places and are turned, instead of changing places."""

    @property
    def name(self) -> str:
        """Short name, for numbers and tables."""
        if self.n_side == 1:
            return "whole"
        return f"turned_{self.n_side}" if self.turned else f"shuffled_{self.n_side}"


WHOLE = Cut(1)


def cuts(pieces: Sequence[int]) -> tuple[Cut, ...]:
    """The whole tile, then shuffled pieces of each number, then turned ones."""
    return (
        WHOLE,
        *(Cut(n_side) for n_side in pieces),
        *(Cut(n_side, turned=True) for n_side in pieces),
    )


def piece_px(tile_px: int, n_side: int) -> int:
    """Side of a piece, px: whole pixels, so a frame of the tile may be left over."""
    return tile_px // n_side


def piece_problems(tile_px: int, pieces: Sequence[int]) -> Iterator[Problem]:
    """Say which numbers of pieces do not fit a tile of this side."""
    most = tile_px // LEAST_PIECE_PX
    for n_side in pieces:
        if not 2 <= n_side <= most:
            yield Problem(
                where=f"pieces {n_side}",
                found=f"{n_side} pieces a side of a tile of {tile_px} px",
                expected=f"2 to {most}, so that a piece has {LEAST_PIECE_PX} px or more",
                remedy="give another number of pieces",
            )


@final
@dataclass(frozen=True, eq=False)
class PieceChange:
    """Cuts tiles of a section; the places of the pieces depend on the spot only."""

    cut: Cut
    section: str
    spots: Sequence[str]
    """Ids of all spots of the section."""

    def __call__(
        self, image: UInt8[Tensor, "B 3 P P"], rows: Int[np.ndarray, " B"]
    ) -> UInt8[Tensor, "B 3 P P"]:
        """Cut these tiles, of these rows among the spots.

        What is left over at the sides stays as it is.
        """
        if self.cut.n_side == 1:
            return image
        changed = image.clone()
        n_side = self.cut.n_side
        side = piece_px(image.shape[-1], n_side)
        margin = (image.shape[-1] - n_side * side) // 2
        inside = slice(margin, margin + n_side * side)
        for place, row in enumerate(rows):
            pieces = _pieces(image[place, :, inside, inside], n_side)
            moved = pieces.flip(2, 3) if self.cut.turned else pieces[self._order(int(row))]
            changed[place, :, inside, inside] = _joined(moved, n_side)
        return changed

    def _order(self, row: int) -> Int[Tensor, " pieces"]:
        use = f"explain-layers-pieces-{self.cut.n_side}-{self.section}-{self.spots[row]}"
        return torch.from_numpy(stream(_SEED, use).permutation(self.cut.n_side**2))


def _pieces(image: UInt8[Tensor, "3 P P"], n_side: int) -> UInt8[Tensor, "pieces 3 S S"]:
    """Row by row."""
    side = image.shape[-1] // n_side
    grid = image.reshape(3, n_side, side, n_side, side).permute(1, 3, 0, 2, 4)
    return grid.reshape(n_side**2, 3, side, side)


def _joined(pieces: UInt8[Tensor, "pieces 3 S S"], n_side: int) -> UInt8[Tensor, "3 P P"]:
    side = pieces.shape[-1]
    grid = pieces.reshape(n_side, n_side, 3, side, side).permute(2, 0, 3, 1, 4)
    return grid.reshape(3, n_side * side, n_side * side)
