"""A square grid over a slide: the positions of predictions without measured spots."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.data.tissue import TissueMask
from histoscribe.types import Slide, Spots

_BAND = 4
"""Grid rows that are visited together, column by column: near positions share decoded pixels."""
_LEAST_SHARE = 0.5
_ROUNDING = 1e-9  # of a share: half a square stays half, whatever its last bits


@dataclass(frozen=True, eq=False)
class Grid:
    """Adjacent squares on tissue, in bands of four rows, left to right."""

    row: Int[np.ndarray, " N"]
    """Row number from the top of the slide."""
    column: Int[np.ndarray, " N"]
    """Column number from the left of the slide."""
    tissue: Float[np.ndarray, " N"]
    """Share of the square that is tissue, 0.5 to 1."""
    spacing_um: float
    """Side of a square."""
    spacing_px: float
    """Side of a square in level-0 px."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: Bool[np.ndarray, " N"]) -> "Grid":
        """Keep some squares of the grid."""
        return replace(self, row=self.row[keep], column=self.column[keep], tissue=self.tissue[keep])

    @property
    def spots(self) -> Spots:
        """Centres of the squares; position `r12c34` does not depend on the tissue."""
        ids = tuple(f"r{r}c{c}" for r, c in zip(self.row, self.column, strict=True))
        xy = (np.stack([self.column, self.row], axis=1) + 0.5) * self.spacing_px
        array = np.stack([self.row, self.column], axis=1).astype(np.float64)
        return Spots(ids, xy, self.spacing_um, self.spacing_um, "squares", array)


def lay_grid(slide: Slide, mask: TissueMask, spacing_um: float) -> Grid:
    """Place squares of `spacing_um` from the upper left corner of the slide.

    A square is included if at least half of it is tissue; there is no tissue beyond the slide.
    Corner and spacing fix the squares: another mask adds or removes squares but moves none.
    """
    if not spacing_um >= slide.mpp:
        raise ValueError(f"{spacing_um} um is less than a px of the slide ({slide.mpp} um)")
    spacing_px = spacing_um / slide.mpp
    share = _shares(mask, spacing_px, (slide.width, slide.height))
    row, column = np.nonzero(share >= _LEAST_SHARE - _ROUNDING)
    order = np.lexsort((row, column, row // _BAND))
    row, column = row[order], column[order]
    return Grid(row, column, share[row, column], spacing_um, spacing_px)


def _shares(
    mask: TissueMask, spacing_px: float, size: tuple[int, int]
) -> Float[np.ndarray, "rows columns"]:
    """Share of tissue in every square whose centre lies on the slide."""
    height, width = mask.inside.shape
    step_x, step_y = (spacing_px / px for px in mask.px_per_mask_px)
    n_columns, n_rows = (_squares(side, spacing_px) for side in size)
    share = np.zeros((n_rows, n_columns))
    # tissue left of every edge of the grid, in one line of squares at a time
    edges = np.clip(np.arange(n_columns + 1) * step_x, 0, width)
    for row in range(n_rows):
        top, bottom = np.clip([row * step_y, (row + 1) * step_y], 0, height)
        low, high = int(np.floor(top)), int(np.ceil(bottom))
        covered = np.minimum(np.arange(low, high) + 1, bottom) - np.maximum(
            np.arange(low, high), top
        )
        line = covered @ mask.inside[low:high].astype(np.float64)
        left = np.interp(edges, np.arange(width + 1), np.concatenate([[0.0], np.cumsum(line)]))
        share[row] = np.diff(left) / (step_x * step_y)
    return share.clip(0.0, 1.0)


def _squares(side: int, spacing_px: float) -> int:
    """Number of squares along a side with their centre on the slide."""
    n_squares = int(np.floor(side / spacing_px + 0.5))
    # the quotient may round up to a half: the centre would lie off the slide by its last bit
    return n_squares - ((n_squares - 0.5) * spacing_px > side)
