"""Area-true shrinking: every output pixel is the mean over the area it covers."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Num, UInt8

Region = Callable[[int, int, int, int], UInt8[np.ndarray, "height width 3"]]
"""(left, top, right, bottom) in whole px -> those pixels; white outside the image."""

_BAND_ROWS = 64
"""Output rows computed at once: a band of a 10,000 px wide image stays under 100 MB."""
_BAND_BYTES = 256 << 20
"""Upper limit on source pixels of a band: large slides use fewer rows at once."""


@dataclass(frozen=True)
class Box:
    """A rectangle in level-0 px; edges may be fractions and may lie outside the image."""

    left: float
    top: float
    right: float
    bottom: float


def shrink(
    region: Region, box: Box, width: int, height: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Read `box` at `width` x `height` px, weighting each source pixel by its covered area.

    Pillow's BOX filter takes whole pixels only, which at a scale of 1.5 is wrong by up to a third
    of a pixel. This function weights edge pixels by their covered fraction and rounds to the
    nearest level.
    """
    x_edges = np.linspace(box.left, box.right, width + 1)
    y_edges = np.linspace(box.top, box.bottom, height + 1)
    left, right = int(np.floor(box.left)), int(np.ceil(box.right))
    out = np.empty((height, width, 3), dtype=np.uint8)
    bytes_of_row = max(1.0, (box.bottom - box.top) / height) * 3 * (right - left)
    n_rows = int(min(max(_BAND_BYTES // bytes_of_row, 1), _BAND_ROWS))
    for start in range(0, height, n_rows):
        edges = y_edges[start : start + n_rows + 1]
        top, bottom = int(np.floor(edges[0])), int(np.ceil(edges[-1]))
        rows = _mean_between(region(left, top, right, bottom), edges - top)
        mean = _mean_between(rows.transpose(1, 0, 2), x_edges - left).transpose(1, 0, 2)
        out[start : start + n_rows] = np.rint(mean)
    return out


def _mean_between(
    values: Num[np.ndarray, "length other 3"], edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, "_ other 3"]:
    """Mean of a step function between neighbouring edges, along the first axis."""
    whole = np.floor(edges).astype(np.int64)
    sums = _sum_before(values, whole)
    # an edge on the far border has no pixel behind it and a fraction of zero
    behind = values[np.minimum(whole, len(values) - 1)]
    area = sums + (edges - whole)[:, None, None] * behind
    return np.diff(area, axis=0) / np.diff(edges)[:, None, None]


def _sum_before(
    values: Num[np.ndarray, "length other 3"], whole: Int[np.ndarray, " edges"]
) -> Num[np.ndarray, "edges other 3"]:
    """Sum of all pixels before each whole edge."""
    kind = np.int64 if values.dtype == np.uint8 else np.float64
    steps = np.zeros((len(whole), *values.shape[1:]), dtype=kind)
    for step, (first, last) in enumerate(pairwise(whole), start=1):
        steps[step] = values[first:last].sum(axis=0, dtype=kind)
    return np.cumsum(steps, axis=0)
