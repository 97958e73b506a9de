"""A section of HEST-1k: `st/<id>.h5ad` and `wsis/<id>.tif`, with its metadata.

HEST-1k (Jaume et al. 2024, arXiv:2406.16192) holds samples of four technologies in one layout. The
metadata (kept as facts of the source) correct what the file alone would get wrong: every h5ad has a
`uns["spatial"]`, Visium or not; Xenium and Visium HD were pooled into square pseudo-spots, mostly
but not always of 100 um; control probes of Xenium are listed among the genes; some spots lie
outside the image; and `in_tissue` was not filled for every study (its authors:
github.com/mahmoodlab/HEST/issues/47).
"""

from pathlib import Path

import anndata as ad
import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_section import array_of, open_anndata, section_in
from histoscribe.io.sections.count_layers import raw_counts_of
from histoscribe.io.sections.h5ad import centres_of, in_tissue_of
from histoscribe.io.sections.lattice import lattice_of
from histoscribe.io.sections.library import refuse_shared_places
from histoscribe.io.sections.printed_array import is_mirrored
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.slides.resolution import Resolutions, lattice_steps, nearest_px
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Spots

TECHNOLOGIES = ("Visium", "Visium HD", "Xenium", "Spatial Transcriptomics")
_PRINTED = {"Visium": (100.0, 55.0), "Spatial Transcriptomics": (200.0, 100.0)}
"""Pitch and diameter in um of technologies with printed spots; the others were pooled."""
_POOLED_UM = 100.0
"""Side of a pseudo-spot according to the documentation of HEST-1k."""


def read_hest(source: Source) -> Reading:
    """Read one sample, described by the columns of HEST's metadata.

    It uses `st_technology`, `inter_spot_dist`, `spot_diameter`, `pixel_size_um_estimated` and
    `pixel_size_um_embedded`. The um/px of the image, of the metadata (the estimate) and of the spot
    pitch, where spots are printed, must agree within 5 %. The embedded value comes from the
    scanner's file and is often the resolution of a screen, so a difference is only a note.
    """
    if source.path is None or source.image is None:
        raise ValueError("a section of kind hest needs a path and an image")
    technology = _technology(source)
    section = section_in(source.path, open_anndata(source.path), source.library)
    data = section.data
    counts, merged = raw_counts_of(source.path, data, source.facts.get("genome"), source.layer)
    printed = _printed_um(source, technology)
    mpp, origin = _settle(source, data, technology, printed)
    xy = centres_of(source.path, data)
    refuse_shared_places(f'{source.path}, obsm["spatial"]', xy)
    spots, pooled = _spots(data, xy, mpp, printed)
    in_tissue, unfilled = _in_tissue(source.path, data)
    embedded = _embedded(source.number("pixel_size_um_embedded"), mpp)
    mirrored = _mirrored(array_of(source.path, data.obs), xy)
    rest = (*section.notes, *merged, *pooled, *unfilled, *embedded, *mirrored)
    return Reading(
        slide=open_slide(source.image, mpp, source.white, source.image_number),
        spots=spots,
        in_tissue=in_tissue,
        counts=counts,
        count_ids=spots.ids,
        notes=(f"{technology} of HEST-1k", origin, *rest),
    )


HEST = Reader("hest", "HEST-1k: st/<id>.h5ad and wsis/<id>.tif", ("path", "image"), read_hest)


def _technology(source: Source) -> str:
    name = source.facts.get("st_technology", "")
    if name in TECHNOLOGIES:
        return name
    raise DataContractError(
        Problem(
            where=source.where,
            found=f"st_technology {name!r}" if name else "no st_technology",
            expected=f"one of {', '.join(TECHNOLOGIES)}",
            remedy="give it in the column `st_technology` (of corrections.csv for a HEST folder)",
        )
    )


def _printed_um(source: Source, technology: str) -> tuple[float, float] | None:
    """Pitch and diameter in um of printed spots; the metadata override the defaults."""
    if technology not in _PRINTED:
        return None
    pitch, diameter = _PRINTED[technology]
    return (
        source.number("inter_spot_dist") or pitch,
        source.number("spot_diameter") or diameter,
    )


def _settle(
    source: Source, data: ad.AnnData, technology: str, printed: tuple[float, float] | None
) -> tuple[float, str]:
    """Um/px of the image, with its source."""
    if source.path is None or source.image is None:
        raise ValueError("a section of kind hest needs a path and an image")
    xy = centres_of(source.path, data)
    pitch_px = _pitch_px(source.path, data, xy, technology) if printed else None
    found = Resolutions(
        user=source.mpp,
        metadata=image_mpp(source.image, source.image_number),
        pitch=printed[0] / pitch_px if printed and pitch_px else None,
        table=source.number("pixel_size_um_estimated"),
    )
    return found.settle(source.where, source.mpp_from)


def _pitch_px(
    path: Path, data: ad.AnnData, xy: Float[np.ndarray, "N 2"], technology: str
) -> float | None:
    """Px between neighbouring spots.

    It is that of the array, which a section keeps when it loses spots. Without rows and columns,
    the hexagonal lattice of Visium may show it. Spots of the older arrays were moved by hand, and
    the nearest neighbour is then 6 to 8 % too near (her2st): they have no pitch without an array.
    """
    array = array_of(path, data.obs)
    if technology != "Spatial Transcriptomics":
        lattice = lattice_of(xy, array)
        return lattice.pitch_px if lattice is not None and lattice.kind == "hexagonal" else None
    if array is None or (np.ptp(array, axis=0) == 0).any():
        return None
    return float(np.mean([np.hypot(*step) for step in lattice_steps(array[:, ::-1], xy)]))


def _spots(
    data: ad.AnnData,
    xy: Float[np.ndarray, "N 2"],
    mpp: float,
    printed: tuple[float, float] | None,
) -> tuple[Spots, tuple[str, ...]]:
    """Printed spots unchanged; pseudo-spots as touching squares, as wide as their pitch."""
    ids = tuple(data.obs_names.astype(str))
    if printed:
        return Spots(ids, xy, printed[1], printed[0]), ()
    pitch_um = nearest_px(xy) * mpp
    note = f"square pseudo-spots pooled from smaller ones, {pitch_um:.3g} um apart"
    if abs(pitch_um / _POOLED_UM - 1) > 0.1:
        note += f" (HEST-1k documents {_POOLED_UM:g}): do not mix them with others"
    return Spots(ids, xy, pitch_um, pitch_um, "squares"), (note,)


def _in_tissue(path: Path, data: ad.AnnData) -> tuple[Bool[np.ndarray, " N"], tuple[str, ...]]:
    """Flag `in_tissue`, unless it is 0 everywhere: then it was never filled."""
    flag = in_tissue_of(path, data)
    if flag.any():
        return flag, ()
    return ~flag, ("in_tissue is 0 at every spot, so it was not filled: all spots are kept",)


def _mirrored(
    array: Float[np.ndarray, "N 2"] | None, xy: Float[np.ndarray, "N 2"]
) -> tuple[str, ...]:
    """Say that the array is mirrored: no problem here, for the authors laid spots on the image."""
    if array is None or not is_mirrored(array, xy):
        return ()
    return ("the array is mirrored on the image: look at the overlay",)


def _embedded(embedded: float | None, mpp: float) -> tuple[str, ...]:
    if embedded is None or abs(embedded / mpp - 1) <= 0.05:
        return ()
    return (f"the scanner's file said {embedded:.4g} um/px, which is ignored",)
