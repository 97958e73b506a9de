"""Places of single molecules: the counts of spots, spread over the tissue around each spot.

The instruments that see below a spot measure the same molecules as the simulated Visium. Squares of
`SQUARE_UM`, counted from the corner of the array, keep them comparable: a molecule stays in the
square of its spot, so the counts of a square are those of the spots whose centre it holds. A square
in tissue holds one spot or two.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from histoscribe.seed import stream
from histoscribe.simulate.families import AVERAGE_DENSITY
from histoscribe.simulate.section import MeasuredSection
from histoscribe.simulate.tissue import OUTSIDE, PITCH_UM, Tissue

SQUARE_UM = 100.0
"""Side of the squares within which molecules stay; a molecule between two may lie in either."""
BIN_UM = 2.0
"""Side of the smallest bins of the array."""
BINNINGS = (1, 4, 8)
"""Smallest bins along a side of the bins that are read together: 2, 8 and 16 um."""
_TOP_UM = 12.5
_RIGHT_UM = 57.5
"""Corner of the array from that of the image; half pitches may be added to the second."""
_BACKGROUND = 0.1
"""Molecules off the cells, relative to tissue of average density."""
_APART_UM = 1e6


@dataclass(frozen=True, eq=False)
class BinArray:
    """Smallest bins of an array over a section; columns run from right to left of the image.

    Arrays lie on the tissue face down, so their columns run against those of the image.
    """

    right_um: float
    """Position of the corner in the image, where row and column 0 begin."""
    top_um: float
    in_tissue: Bool[np.ndarray, "rows columns"]
    weight: Float[np.ndarray, "rows columns"]
    """Expected molecules, relative to other bins around the same spot."""

    @classmethod
    def over(cls, tissue: Tissue) -> "BinArray":
        """Array that covers the image but for a border."""
        height, width = (side * 2.0 for side in tissue.compartment.shape)
        half = PITCH_UM / 2.0
        right_um = _RIGHT_UM + half * np.floor((width - _RIGHT_UM) / half)
        coarse_um = BINNINGS[-1] * BIN_UM
        rows, columns = (int(side // coarse_um) for side in (height - _TOP_UM, right_um))
        v, u = ((np.arange(n * BINNINGS[-1]) + 0.5) * BIN_UM for n in (rows, columns))
        xy_um = np.stack(np.meshgrid(right_um - u, _TOP_UM + v), axis=-1)
        row, column = tissue.cell_of(xy_um.reshape(-1, 2))
        shape = xy_um.shape[:2]
        return cls(
            right_um=float(right_um),
            top_um=_TOP_UM,
            in_tissue=(tissue.compartment[row, column] != OUTSIDE).reshape(shape),
            weight=(tissue.density[row, column] + _BACKGROUND * AVERAGE_DENSITY).reshape(shape),
        )

    def axes_um(self, xy_um: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Positions of the image along the columns and rows of the array."""
        return np.stack([self.right_um - xy_um[:, 0], xy_um[:, 1] - self.top_um], axis=1)

    def image_um(self, axes_um: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Positions in the image from those along the columns and rows of the array."""
        return np.stack([self.right_um - axes_um[:, 0], axes_um[:, 1] + self.top_um], axis=1)


@dataclass(frozen=True, eq=False)
class Molecules:
    """Molecules of a section, one each: the smallest bin that holds it, and its gene."""

    row: Int[np.ndarray, " M"]
    column: Int[np.ndarray, " M"]
    gene: Int[np.ndarray, " M"]


def place_molecules(section: MeasuredSection, array: BinArray) -> Molecules:
    """Draw a bin for every molecule of every spot: one in tissue, near the spot, in its square."""
    tissue = section.drawn.tissue
    row, column = np.nonzero(array.in_tissue & _agreed(array.in_tissue.shape))
    bins_um = (np.stack([column, row], axis=1) + 0.5) * BIN_UM
    spots_um = array.axes_um(tissue.xy_um[tissue.in_tissue])
    spot = nearest_in_square(bins_um, spots_um)
    bin_, gene = _dealt(
        section.counts,
        spot,
        array.weight[row, column],
        stream(section.seed, f"molecules-{section.name}"),
    )
    return Molecules(row[bin_], column[bin_], gene)


def nearest_in_square(
    places_um: Float[np.ndarray, "N 2"], centres_um: Float[np.ndarray, "C 2"]
) -> Int[np.ndarray, " N"]:
    """Nearest centre in the square of each place; -1 where the square holds none."""

    def with_square(um: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K 4"]:
        return np.hstack([um, np.floor(um / SQUARE_UM) * _APART_UM])

    distance, nearest = cKDTree(with_square(centres_um)).query(with_square(places_um))
    return np.where(distance < _APART_UM / 2.0, nearest, -1)


def _agreed(shape: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
    """Bins that lie in one square with the larger bins that they are part of, by the centres.

    A bin of 8 um on the border of two squares belongs to one of them as a whole.
    """
    lines = []
    for n in shape:
        index = np.arange(n)
        square = [np.floor((index // b + 0.5) * b * BIN_UM / SQUARE_UM) for b in BINNINGS]
        lines.append((np.stack(square) == square[0]).all(axis=0))
    return lines[0][:, None] & lines[1][None]


def _dealt(
    counts: sp.csr_matrix,
    spot: Int[np.ndarray, " B"],
    weight: Float[np.ndarray, " B"],
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
    """Bin and gene of every molecule, spot by spot."""
    order = np.argsort(spot, kind="stable")
    edges = np.searchsorted(spot[order], np.arange(counts.shape[0] + 1))
    total = np.asarray(counts.sum(axis=1)).ravel()
    bins = []
    for first, last, n_molecules in zip(edges[:-1], edges[1:], total, strict=True):
        around = order[first:last]
        share = weight[around] / weight[around].sum()
        bins.append(rng.choice(around, int(n_molecules), p=share))
    return np.concatenate(bins), np.repeat(counts.indices, counts.data)
