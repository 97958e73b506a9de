"""Sections from AnnData: counts, and `obsm["spatial"]` in px of a separate image."""

from pathlib import Path

import anndata as ad
import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_bins import bins_in, read_bins
from histoscribe.io.sections.anndata_section import array_of, open_anndata, section_in
from histoscribe.io.sections.count_layers import raw_counts_of
from histoscribe.io.sections.platform import platform_of, scaled_evidence
from histoscribe.io.sections.pooled_places import pooled_places
from histoscribe.io.sections.section_image import SectionImage, embedded_image, image_file
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken

_CENTRES = ("spatial", "X_spatial")
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""Spellings of `in_tissue`: R and pandas write words or fractions."""


def read_h5ad(source: Source) -> Reading:
    """Read raw counts (see `raw_counts_of`) and centres from `obsm["spatial"]` or `X_spatial`.

    Visium, proven by its array and lattice (see `platform`), gives the um/px by its spot pitch
    (100 um); for any other spots, the metadata of the image or the user must. Of several libraries
    in the file, the column `library` of the manifest chooses one. Without an image file, the one
    that AnnData embeds is read. Bins of Visium HD are pooled into squares (see `read_bins`).
    """
    if source.path is None:
        raise ValueError("a section of kind h5ad needs a path")
    image = None
    if source.image is not None:
        image = image_file(source.image, source.white, source.image_number)
    return reading_of(source, open_anndata(source.path), image)


def reading_of(source: Source, data: ad.AnnData, image: SectionImage | None) -> Reading:
    """Read what AnnData holds of a section; without `image`, the embedded one is used."""
    place = source.path or Path(source.where)
    section = section_in(place, data, source.library)
    data = section.data
    image = image or embedded_image(place, section)
    xy = centres_of(place, data) * image.scale
    if bins := bins_in(place, section, xy, (place.name, section.key or "")):
        return read_bins(source, section, bins, in_tissue_of(place, data), image)
    counts, notes = raw_counts_of(place, data, source.facts.get("genome"), source.layer)
    where, array = f'{place}, obsm["{centres_key(data)}"]', array_of(place, data.obs)
    platform = platform_of(scaled_evidence(where, xy, array, section.factors, image.scale))
    stated_mpp = section.factors.mpp  # of segmented cells of Visium HD
    mpp, origin = platform.resolution(source, image.mpp, stated_mpp and stated_mpp / image.scale)
    key = centres_key(data)
    places = () if key == "spatial" else (f"centres: obsm[{key}]",)
    platform = platform.of_size(source.number("diameter_um"), mpp)
    spots, assumed = platform.spots(section.ids, xy, mpp)
    reading = Reading(
        slide=image.open_at(mpp),
        spots=spots,
        in_tissue=in_tissue_of(place, data),
        counts=counts,
        count_ids=section.ids,
        notes=(*section.notes, *image.notes, *places, origin, *assumed, *notes),
        array=array,
        scales=section.factors.by_image,
    )
    return pooled_places(source, reading)


H5AD = Reader("h5ad", "AnnData", ("path",), read_h5ad, pools=True)


def centres_of(path: Path, data: ad.AnnData) -> Float[np.ndarray, "N 2"]:
    """Spot centres in px, x before y, at the place that `centres_key` names.

    Raises DataContractError if any are missing.
    """
    key = centres_key(data)
    # a copy: AnnData in memory may change after it was read
    xy = np.array(data.obsm.get(key, np.empty((0, 0))), dtype=np.float64)
    if xy.shape != (data.n_obs, 2) or not np.isfinite(xy).all():
        others = ", ".join(f"{name} {data.obsm[name].shape}" for name in data.obsm) or "nothing"
        raise DataContractError(
            Problem(
                where=f'{path}, obsm["{key}"]',
                found=f"missing; obsm has {others}"
                if xy.size == 0
                else f"shape {xy.shape}, or not finite",
                expected=f"{data.n_obs} x 2 finite px of the image, x before y",
                remedy='write the spot centres to obsm["spatial"]',
            )
        )
    return xy


def centres_key(data: ad.AnnData) -> str:
    """Entry of `obsm` with the spot centres: `spatial`, else `X_spatial` of cellxgene."""
    return next((key for key in _CENTRES if key in data.obsm), _CENTRES[0])


def in_tissue_of(path: Path, data: ad.AnnData) -> Bool[np.ndarray, " N"]:
    """Column `in_tissue` as one flag per spot; all true if the column is missing.

    Raises DataContractError for anything but 0 and 1, false and true, as numbers or as words.
    """
    if "in_tissue" not in data.obs:
        return np.ones(data.n_obs, dtype=bool)
    said = data.obs["in_tissue"].astype(str).str.lower().map(_FLAGS)
    if said.isna().any():
        odd = data.obs["in_tissue"][said.isna().to_numpy()].iloc[0]
        found = f"in_tissue is {str(odd)!r} at a spot"
        raise broken(path, found, "0 or 1 at every spot, or no such column")
    return said.to_numpy(bool)
