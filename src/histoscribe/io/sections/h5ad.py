"""Sections from AnnData: counts, and `obsm["spatial"]` in px of a separate image."""

from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_section import array_of, open_anndata, section_in
from histoscribe.io.sections.gene_ids import are_counts, counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.platform import SpotEvidence, platform_of, refuse_visium_hd
from histoscribe.io.sections.section_image import SectionImage, embedded_image, image_file
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken
from histoscribe.types import Counts

_KINDS = ("feature_types", "feature_type", "feature_biotype")
"""Columns of `var` with the type of a feature: of scanpy, of 10x, of cellxgene."""
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""Spellings of `in_tissue`: R and pandas write words or fractions."""


def read_h5ad(source: Source) -> Reading:
    """Read raw counts from `layers["counts"]`, else from `X`; centres from `obsm["spatial"]`.

    Visium, proven by its array and lattice (see `platform`), gives the um/px by its spot pitch
    (100 um); for any other spots, the metadata of the image or the user must. Of several libraries
    in the file, the column `library` of the manifest chooses one. Without an image file, the one
    that AnnData embeds is read. Gene ids are `var["gene_ids"]` if that column exists; symbols are
    the names of `var`.
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
    refuse_visium_hd(str(place), section.ids, section.factors, (place.name, section.key or ""))
    image = image or embedded_image(place, section)
    xy = centres_of(place, data) * image.scale
    counts, notes = raw_counts_of(place, data, source.facts.get("genome"))
    diameter_px = section.factors.spot_diameter_px
    platform = platform_of(
        SpotEvidence(
            where=f'{place}, obsm["spatial"]',
            xy=xy,
            array=array_of(place, data.obs),
            diameter_px=diameter_px and diameter_px * image.scale,
            factors=section.factors,
        )
    )
    mpp, origin = platform.resolution(source, image.mpp)
    spots, assumed = platform.spots(section.ids, xy, mpp)
    return Reading(
        slide=image.open_at(mpp),
        spots=spots,
        in_tissue=in_tissue_of(place, data),
        counts=counts,
        count_ids=section.ids,
        notes=(*section.notes, *image.notes, origin, *assumed, *notes),
    )


H5AD = Reader("h5ad", "AnnData", ("path",), read_h5ad)


def centres_of(path: Path, data: ad.AnnData) -> Float[np.ndarray, "N 2"]:
    """Spot centres in px, x before y; raises DataContractError if any are missing."""
    # a copy: AnnData in memory may change after it was read
    xy = np.array(data.obsm.get("spatial", np.empty((0, 0))), dtype=np.float64)
    if xy.shape != (data.n_obs, 2) or not np.isfinite(xy).all():
        raise DataContractError(
            Problem(
                where=f'{path}, obsm["spatial"]',
                found="missing" if xy.size == 0 else f"shape {xy.shape}, or not finite",
                expected=f"{data.n_obs} x 2 finite px of the image, x before y",
                remedy='write the spot centres to obsm["spatial"]',
            )
        )
    return xy


def raw_counts_of(
    path: Path, data: ad.AnnData, genome: str | None = None
) -> tuple[Counts, tuple[str, ...]]:
    """Raw counts of the genes, with notes; raises DataContractError for values that are no counts.

    `genome` is the one to read if the file has genes of several.
    """
    place = 'layers["counts"]' if "counts" in data.layers else "X"
    stored = data.layers.get("counts", data.X)
    matrix = sp.csr_matrix(stored if stored is not None else (data.n_obs, data.n_vars))
    if not are_counts(matrix.data):
        raise DataContractError(
            Problem(
                where=f"{path}, {place}",
                found="fractions, negatives, NaN or values too large: normalised values",
                expected="raw counts: whole numbers >= 0",
                remedy='keep the raw counts in layers["counts"]',
            )
        )
    names = data.var_names.astype(str).tolist()
    ids = data.var["gene_ids"].astype(str).tolist() if "gene_ids" in data.var else names
    if len(set(ids)) != len(ids):
        raise broken(path, "gene ids repeat", "each gene once (see var_names_make_unique)")
    features = MatrixFeatures(
        ids=ids, names=names, kinds=_column(data, *_KINDS), genomes=_column(data, "genome")
    )
    return counts_of(matrix.astype(np.int32), features, str(path), genome)


def _column(data: ad.AnnData, *names: str) -> list[str] | None:
    """Words of the first existing column of `var`; None without any."""
    name = next((name for name in names if name in data.var), None)
    return None if name is None else data.var[name].astype(str).tolist()


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
