"""Platform of a section: proven by its array, lattice and stated sizes, never guessed.

That a file keeps an image under `uns["spatial"]`, or a folder is called `spatial`, proves nothing:
squidpy, stLearn and giotto write both for every platform. Visium is proven by the rows and columns
of its array: their sum is even at every spot, and the centres lie on the hexagonal lattice that
they describe. Where a spot diameter is stated, it must fit the distance between spots. Without rows
and columns, a hexagonal lattice and a fitting diameter prove it together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.bins import is_bin_name
from histoscribe.io.sections.lattice import Lattice, lattice_of
from histoscribe.io.sections.library import refuse_shared_places
from histoscribe.io.sections.scale_factors import ScaleFactors
from histoscribe.io.sections.source import Source
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.types import Spots

VISIUM_PITCH_UM = 100.0
VISIUM_DIAMETER_UM = 55.0
NO_LATTICE = "the spots lie on no lattice, so no printed distance gives it"
"""Why spots give no um/px, for the message that asks for it."""
_VISIUM_FILL = (0.48, 0.75)
"""Stated diameter over pitch of Visium: 0.55, or 0.65 as Space Ranger writes it (65 um)."""
_ST_UM = {False: (200.0, 100.0), True: (141.4, 100.0)}
"""Pitch and diameter of legacy ST in um: of the square array, and of the staggered one (2k)."""
_TOUCHING = (0.9, 1.1)
"""Stated diameter over pitch of bins side by side."""
_SAME = 0.05
_IN_UM = 0.01
"""Largest difference of a pitch from 100 for centres that may be in um."""
_ROUNDED = 0.01
"""Largest share of cells in the very place of another."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SpotEvidence:
    """What the files of a section say about its spots."""

    where: str
    """Place of the centres, for messages."""
    xy: Float[np.ndarray, "N 2"]
    """Centres in px of the image."""
    array: Float[np.ndarray, "N 2"] | None
    """Row and column of each spot in the array, if the files have them."""
    diameter_px: float | None
    """Stated diameter in px of the image."""
    factors: ScaleFactors = field(default_factory=ScaleFactors)


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Proven facts about the make of spots: lattice, printed pitch, stated diameter."""

    lattice: Lattice | None
    is_visium: bool
    diameter_px: float | None
    """Stated diameter in px of the image."""
    doubt: str = ""
    """Size that contradicts Visium although its array is there; empty if there is none."""
    reason: str = ""
    """Why the platform is not proven; empty if it is."""

    @property
    def pitch_mpp(self) -> float | None:
        """Um/px by the printed distance between spots; None unless the platform is proven."""
        if self.lattice is None or not self.is_visium:
            return None
        return VISIUM_PITCH_UM / self.lattice.pitch_px

    def resolution(
        self, source: Source, stated_mpp: float | None, table_mpp: float | None = None
    ) -> tuple[float, str]:
        """Um/px of the image with its source, as `Resolutions.settle` decides.

        `stated_mpp` is that of the image. Raises DataContractError also where only the pitch gives
        a value and a stated size contradicts it, unless the user trusts the pitch (`mpp_from`).
        """
        others = (source.mpp, stated_mpp, table_mpp)
        if self.doubt and all(mpp is None for mpp in others) and source.mpp_from != "pitch":
            raise DataContractError(_doubtful(source.where, self.doubt))
        found = Resolutions(source.mpp, stated_mpp, self.pitch_mpp, table_mpp, reason=self.reason)
        return found.settle(source.where, source.mpp_from)

    def of_size(self, diameter_um: float | None, mpp: float) -> "Platform":
        """Platform with the stated diameter of spots; unchanged without one."""
        return self if diameter_um is None else replace(self, diameter_px=diameter_um / mpp)

    def spots(
        self, ids: tuple[str, ...], xy: Float[np.ndarray, "N 2"], mpp: float
    ) -> tuple[Spots, tuple[str, ...]]:
        """Spots at these centres of an image of `mpp`, with notes on what was assumed."""
        if self.lattice is None:
            return _cloud(ids, xy, self.diameter_px, mpp)
        if self.is_visium:
            notes = () if self.lattice.from_array else (_BY_PLACES,)
            return Spots(ids, xy, VISIUM_DIAMETER_UM, VISIUM_PITCH_UM), notes
        fill = None if self.diameter_px is None else self.diameter_px / self.lattice.pitch_px
        pitch_um = self.lattice.pitch_px * mpp
        if self.lattice.from_array and self.lattice.kind == "square":
            printed_um, diameter_um = _ST_UM[self.lattice.is_staggered]
            is_filled = fill is None or abs(fill * printed_um / diameter_um - 1) < 4 * _SAME
            if is_filled and abs(pitch_um / printed_um - 1) < _SAME:
                note = f"legacy ST: a square array, {pitch_um:.4g} um from spot to spot"
                return Spots(ids, xy, diameter_um, printed_um), (note,)
        return _grid(ids, xy, self.lattice, fill, pitch_um)


def scaled_evidence(
    where: str,
    xy: Float[np.ndarray, "N 2"],
    array: Float[np.ndarray, "N 2"] | None,
    factors: ScaleFactors,
    scale: float,
) -> SpotEvidence:
    """Evidence in an image of `scale` px per full-resolution px, where the factors are known."""
    diameter_px = None if factors.spot_diameter_px is None else factors.spot_diameter_px * scale
    return SpotEvidence(where=where, xy=xy, array=array, diameter_px=diameter_px, factors=factors)


def platform_of(evidence: SpotEvidence) -> Platform:
    """Find out what is proven about the spots of a section.

    Raises DataContractError where spots lie in one place. Of cells, whose centres may be rounded to
    px, a few may.
    """
    refuse_shared_places(evidence.where, evidence.xy, _ROUNDED)
    lattice = lattice_of(evidence.xy, evidence.array)
    size = evidence.diameter_px
    if lattice is None:
        return Platform(lattice=None, is_visium=False, diameter_px=size, reason=NO_LATTICE)
    refuse_shared_places(evidence.where, evidence.xy)
    fill = None if size is None else size / lattice.pitch_px
    is_filled = fill is not None and _VISIUM_FILL[0] <= fill <= _VISIUM_FILL[1]
    is_hexagonal = lattice.kind == "hexagonal"
    if is_hexagonal and lattice.is_even:
        doubt = "" if fill is None or is_filled else _doubt(lattice, fill, evidence.factors)
        return Platform(lattice=lattice, is_visium=True, diameter_px=size, doubt=doubt)
    if is_hexagonal and evidence.array is None and is_filled:
        return Platform(lattice=lattice, is_visium=True, diameter_px=size)
    reason = _unproven(lattice, fill, has_array=evidence.array is not None)
    return Platform(lattice=lattice, is_visium=False, diameter_px=size, reason=reason)


def refuse_visium_hd(where: str, barcodes: Sequence[str], factors: ScaleFactors) -> None:
    """Raise DataContractError for bins of Visium HD, known by what the files state."""
    told = list(factors.bins)
    bins = [barcode for barcode in barcodes if is_bin_name(barcode)]
    if bins:
        told.append(f"{len(bins)} barcodes like {bins[0]}")
    if told:
        raise DataContractError(visium_hd(where, ", ".join(told)))


def visium_hd(where: str, evidence: str) -> Problem:
    """Problem of bins of Visium HD given to a reader of spots."""
    return Problem(
        where=where,
        found=f"Visium HD (square bins, no spots): {evidence}",
        expected="spots, as a reader of this kind takes them",
        remedy="write `visium_hd` in the column `kind` for a folder of Space Ranger, which is "
        "pooled into squares (column `pool_um`)",
    )


_BY_PLACES = "Visium, proven by a hexagonal lattice and a fitting spot diameter"


def _doubt(lattice: Lattice, fill: float, factors: ScaleFactors) -> str:
    """Say how far the stated diameter is from Visium's, and in which px the centres would fit."""
    said = f"a spot diameter of {fill:.3g} times the distance between spots"
    said += f" ({lattice.pitch_px:.4g} px)"
    if abs(lattice.pitch_px / VISIUM_PITCH_UM - 1) < _IN_UM:
        return f"{said}: it fits if the centres are in um, not in px"
    for name, scale in (("hires", factors.hires), ("lowres", factors.lowres)):
        if scale is not None and _VISIUM_FILL[0] <= fill * scale <= _VISIUM_FILL[1]:
            return f"{said}: it fits if the centres are in px of the {name} image ({scale:.4g})"
    return said


def _doubtful(where: str, doubt: str) -> Problem:
    return Problem(
        where=where,
        found=f"rows and columns of a Visium array, but {doubt}",
        expected="a spot diameter of 0.55 to 0.65 times the distance between spots, as all Visium "
        "files have it",
        remedy="write the centres in px of the full-resolution image, or correct "
        "spot_diameter_fullres; or give um/px in the column `mpp` of the manifest, or "
        "`mpp_from = pitch` if the centres are right",
    )


def _unproven(lattice: Lattice, fill: float | None, *, has_array: bool) -> str:
    """Say what the spots lie on, what is missing, and how um/px follows from a known distance."""
    kind = "a lattice" if lattice.kind == "other" else f"a {lattice.kind} lattice"
    said = f"the spots lie on {kind}, {lattice.pitch_px:.4g} px apart"
    if lattice.kind == "hexagonal":
        array = "array rows and columns that do not fit" if has_array else "no array"
        size = "no spot diameter" if fill is None else f"spots {fill:.2g} times as wide"
        visium_mpp = VISIUM_PITCH_UM / lattice.pitch_px
        said += f", with {array} and {size}: Visium (then {visium_mpp:.4g}) is not proven"
    elif lattice.kind == "square" and lattice.from_array:
        printed_um, _ = _ST_UM[lattice.is_staggered]
        st_mpp = printed_um / lattice.pitch_px
        said += f"; legacy ST ({printed_um:g} um apart, then {st_mpp:.4g}) is not proven"
    return said


def _grid(
    ids: tuple[str, ...],
    xy: Float[np.ndarray, "N 2"],
    lattice: Lattice,
    fill: float | None,
    pitch_um: float,
) -> tuple[Spots, tuple[str, ...]]:
    """Spots of an unknown make on a lattice: of the stated diameter, else as filled as Visium."""
    if fill is None or fill > _TOUCHING[1]:
        fill = VISIUM_DIAMETER_UM / VISIUM_PITCH_UM
        note = f"no spot diameter that fits: {fill * pitch_um:.4g} um assumed, as filled as Visium"
        return Spots(ids, xy, fill * pitch_um, pitch_um), (note,)
    if lattice.kind == "square" and fill >= _TOUCHING[0]:
        note = f"square bins of {pitch_um:.4g} um, side by side"
        return Spots(ids, xy, pitch_um, pitch_um, "squares"), (note,)
    return Spots(ids, xy, fill * pitch_um, pitch_um), ()


def _cloud(
    ids: tuple[str, ...], xy: Float[np.ndarray, "N 2"], diameter_px: float | None, mpp: float
) -> tuple[Spots, tuple[str, ...]]:
    """Cells or beads without a lattice: of the stated diameter, if there is one."""
    return Spots(ids, xy, None if diameter_px is None else diameter_px * mpp, None, "cells"), ()
