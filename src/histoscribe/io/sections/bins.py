"""Bins of Visium HD: squares of 2, 8 or 16 um side by side, known by row and column.

A bin's name has its size, row and column (`s_008um_00301_00321-1`). Together with the places of the
bins on the image they prove the um/px.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.array_map import fitted_map, px_of, steps_px
from histoscribe.io.sections.pooling import Pooled, pooled
from histoscribe.io.slides.resolution import uneven
from histoscribe.types import Spots

_NAME = re.compile(r"s_\d{3}um_\d{5}_\d{5}")
_STATED = re.compile(r"(?:^|[^a-z])(?:s|square)_(\d{3})um(?![a-z0-9])")
"""Size in names of files and elements: `square_008um`, `sample_s_016um.h5ad`."""
_FORM = np.frombuffer(b"s_000um_00000_00000", dtype=np.uint8)
_DIGITS = ord("0") == _FORM
_FITTED = 100_000
"""Bins that the map to the image is fitted to, spread evenly over the list."""
_FARTHEST = 0.5
"""Largest distance of a bin from its place by row and column, in bins."""
_SAME = 0.02
"""Largest relative difference of two statements of um/px: files of one run agree to 0.1 %."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of one size on an image."""

    where: str
    """Place of the centres, for messages."""
    array: Int[np.ndarray, "N 2"]
    """Row and column of each bin, from 0."""
    xy: Float[np.ndarray, "N 2"]
    """Centres in px of the image."""
    bin_um: float

    @property
    def places_um(self) -> Float[np.ndarray, "N 2"]:
        """Centres in um from the corner of the array, x along the columns and y along the rows."""
        return bin_centres_um(self.array, self.bin_um)

    @cached_property
    def to_px(self) -> Float[np.ndarray, "2 terms"]:
        """Map from um on the array to px of the image (see `px_of`).

        Raises DataContractError where the centres do not follow rows and columns.
        """
        rows = np.unique(np.linspace(0, len(self.xy) - 1, _FITTED).astype(np.int64))
        places_um, xy = bin_centres_um(self.array[rows], self.bin_um), self.xy[rows]
        to_px = fitted_map(places_um, xy)
        if to_px is None:
            raise DataContractError(_unrelated(self.where, "all bins lie in one row or column"))
        steps = steps_px(to_px, places_um.mean(axis=0))
        step_px = self.bin_um * float(np.linalg.norm(steps, axis=1).min())
        apart_px = float(np.linalg.norm(xy - px_of(places_um, to_px), axis=1).max())
        if not apart_px <= _FARTHEST * step_px:
            found = f"a bin lies {apart_px:.4g} px from the place of its row and column, with "
            raise DataContractError(
                _unrelated(self.where, f"{found}{step_px:.4g} px from bin to bin")
            )
        return to_px

    @property
    def mpp(self) -> float:
        """Um/px of the image by the size of the bins.

        Raises DataContractError where they are not square on the image.
        """
        middle_um = (self.array.mean(axis=0)[::-1] + 0.5) * self.bin_um
        steps = steps_px(self.to_px, middle_um)  # far from the bins, a bent map says nothing
        across, down = (1 / float(step) for step in np.linalg.norm(steps, axis=1))
        if max(across, down) > 1.05 * min(across, down):
            raise DataContractError(uneven(self.where, across, down))
        return float(np.sqrt(across * down))

    def first(self, n_bins: int) -> "Bins":
        """The first bins of the list."""
        return replace(self, array=self.array[:n_bins], xy=self.xy[:n_bins])

    def spots(self, ids: tuple[str, ...]) -> Spots:
        """Bins as spots, each at its own place."""
        return Spots(
            ids, self.xy, self.bin_um, self.bin_um, "squares", self.array.astype(np.float64)
        )

    def pooled(
        self,
        counts: sp.csr_matrix | Iterable[sp.csr_matrix],
        in_tissue: Bool[np.ndarray, " N"],
        pool_um: float,
    ) -> Pooled:
        """Sum the bins in tissue into squares of `pool_um` (see `pooling.pooled`)."""
        return pooled(self.places_um, counts, pool_um, in_tissue, self.bin_um, self.to_px)


def bin_centres_um(array: Int[np.ndarray, "N 2"], bin_um: float) -> Float[np.ndarray, "N 2"]:
    """Centres of bins in um from the corner of the array, x before y."""
    return (array[:, ::-1] + 0.5) * bin_um


def is_bin_name(name: str) -> bool:
    """Whether a barcode names a bin; other words may stand in front.

    >>> is_bin_name("s_008um_00301_00321-1"), is_bin_name("AACCGGTTAACCGGTT-1")
    (True, False)
    """
    return _NAME.search(name) is not None


def bin_um_in_name(name: str) -> float | None:
    """Bin size that the name of a file, folder or element states; None if it states none.

    >>> bin_um_in_name("sample_square_016um.h5ad"), bin_um_in_name("mouse_100um.h5ad")
    (16.0, None)
    """
    found = _STATED.search(name)
    return float(found[1]) if found and int(found[1]) else None


def bins_by_name(
    where: str, barcodes: Sequence[str] | np.ndarray
) -> tuple[Int[np.ndarray, "N 2"], float]:
    """Row and column of each bin, and the size of the bins in um, from their names.

    Raises
    ------
    DataContractError
        for names of another form, and for bins of several sizes.
    """
    names = barcodes if isinstance(barcodes, np.ndarray) else _cut(where, barcodes)
    width = names.dtype.itemsize
    if not len(names) or width < len(_FORM):
        raise DataContractError(_no_bins(where, names))
    letters = np.ascontiguousarray(names).view(np.uint8).reshape(len(names), width)
    letters = letters[:, : len(_FORM)]
    digits = letters[:, _DIGITS] - ord("0")  # a letter below "0" becomes large
    fits = (letters[:, ~_DIGITS] == _FORM[~_DIGITS]).all(axis=1) & (digits < 10).all(axis=1)
    if not fits.all():
        raise DataContractError(_no_bins(where, names[~fits]))
    size, row, column = (
        digits[:, part].astype(np.int64) @ 10 ** np.arange(part.stop - part.start)[::-1]
        for part in (slice(0, 3), slice(3, 8), slice(8, 13))
    )
    if size.min() != size.max() or size.min() == 0:
        sizes = ", ".join(f"{one} um" for one in np.unique(size))
        raise DataContractError(_several_sizes(where, sizes))
    return np.column_stack([row, column]), float(size[0])


def check_um_per_px(where: str, bins: Bins, stated_mpp: float | None) -> None:
    """Compare `microns_per_pixel` of the files, in px of this image, with the lattice of the bins.

    Raises DataContractError where they differ by more than 2 %.
    """
    if stated_mpp is None or abs(bins.mpp / stated_mpp - 1) <= _SAME:
        return
    raise DataContractError(
        Problem(
            where=where,
            found=f"microns_per_pixel gives {stated_mpp:.4g} um/px for the image, and bins of "
            f"{bins.bin_um:g} um that are {bins.bin_um / bins.mpp:.4g} px apart give "
            f"{bins.mpp:.4g}",
            expected="the same um/px from both",
            remedy="give scale factors and positions of the same run and size of bins",
        )
    )


def _cut(where: str, barcodes: Sequence[str]) -> np.ndarray:
    """Names as bytes, without what stands before the size of the first one."""
    first = _NAME.search(barcodes[0]) if len(barcodes) else None
    if first is None:
        raise DataContractError(_no_bins(where, np.array(barcodes[:1], dtype=bytes)))
    start, stop = first.span()
    return np.array([name[start:stop].encode("ascii", "replace") for name in barcodes])


def _no_bins(where: str, names: np.ndarray) -> Problem:
    first = f", e.g. {names[0].decode(errors='replace')!r}" if len(names) else ""
    return Problem(
        where=where,
        found=f"{len(names)} barcodes that are no bins{first}",
        expected="names like s_008um_00301_00321-1: size, row and column of a bin",
        remedy="give the count matrix of a folder of bins (`square_008um`)",
    )


def _several_sizes(where: str, sizes: str) -> Problem:
    return Problem(
        where=where,
        found=f"bins of several sizes: {sizes}",
        expected="bins of one size above 0",
        remedy="give the table of one size: larger squares are pooled from it",
    )


def _unrelated(where: str, found: str) -> Problem:
    return Problem(
        where=where,
        found=found,
        expected="bins side by side, whose places follow their rows and columns",
        remedy="give positions and barcodes of the same run and size of bins",
    )
