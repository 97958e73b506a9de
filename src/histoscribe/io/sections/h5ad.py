"""Sections from AnnData: counts, and `obsm["spatial"]` in px of a separate image."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.gene_ids import are_counts, counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken
from histoscribe.io.slides.resolution import Resolutions, nearest_px, on_lattice
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Counts, Slide, Spots

VISIUM_PITCH_UM = 100.0
VISIUM_DIAMETER_UM = 55.0
_KINDS = ("feature_types", "feature_type", "feature_biotype")
"""Columns of `var` with the type of a feature: of scanpy, of 10x, of cellxgene."""
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""Spellings of `in_tissue`: R and pandas write words or fractions."""


def read_h5ad(source: Source) -> Reading:
    """Read raw counts from `layers["counts"]`, else from `X`; centres from `obsm["spatial"]`.

    If `uns["spatial"]` names a Visium library, the spot pitch (100 um) gives the um/px; for any
    other lattice, and for cells, the metadata of the image or the user must. Gene ids are
    `var["gene_ids"]` if that column exists; symbols are the names of `var`.
    """
    if source.path is None or source.image is None:
        raise ValueError("a section of kind h5ad needs a path and an image")
    image, white, number = source.image, source.white, source.image_number
    return reading_of(
        source,
        open_anndata(source.path),
        image_mpp(image, number),
        lambda mpp: open_slide(image, mpp, white, number),
    )


def reading_of(
    source: Source, data: ad.AnnData, stated_mpp: float | None, open_at: Callable[[float], Slide]
) -> Reading:
    """Read what AnnData holds of a section; `open_at` opens its image at a um/px.

    `stated_mpp` is the um/px that the image itself states.
    """
    place = source.path or Path(source.where)
    xy = centres_of(place, data)
    counts, notes = raw_counts_of(place, data, source.facts.get("genome"))
    pitch_px = nearest_px(xy)
    is_lattice = on_lattice(xy)
    # tools write uns["spatial"] for cells, too
    is_visium = is_lattice and bool(data.uns.get("spatial"))
    pitch_mpp = VISIUM_PITCH_UM / pitch_px if is_visium else None
    found = Resolutions(source.mpp, stated_mpp, pitch_mpp)
    mpp, origin = found.settle(source.where, source.mpp_from)
    ids = tuple(data.obs_names.astype(str))
    if is_lattice:
        pitch_um = VISIUM_PITCH_UM if is_visium else pitch_px * mpp
        # an unknown grid is assumed to be filled like Visium's, 55 um in 100
        spots = Spots(ids, xy, pitch_um * VISIUM_DIAMETER_UM / VISIUM_PITCH_UM, pitch_um)
    else:
        # cells of a tissue touch: one is about as wide as the next one is far
        spots = Spots(ids, xy, pitch_px * mpp, None, "cells")
    return Reading(
        slide=open_at(mpp),
        spots=spots,
        in_tissue=in_tissue_of(place, data),
        counts=counts,
        count_ids=ids,
        notes=(origin, *notes),
    )


H5AD = Reader("h5ad", "AnnData", ("path", "image"), read_h5ad)


def open_anndata(path: Path) -> ad.AnnData:
    """Open the file; raises DataContractError if it is broken or spot names repeat."""
    try:
        data = ad.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise broken(path, f"truncated or no AnnData file ({error})", "a complete .h5ad") from error
    check_spot_names(path, data)
    return data


def check_spot_names(path: Path, data: ad.AnnData) -> None:
    """Raise DataContractError where spot names repeat or there are fewer than two spots."""
    if not data.obs_names.is_unique or data.n_obs < 2:
        raise broken(path, "spot names repeat, or fewer than two spots", "each spot once")


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
    if data.n_obs > 1 and nearest_px(xy) == 0:
        raise DataContractError(
            Problem(
                where=f'{path}, obsm["spatial"]',
                found="most spots lie in the very place of another",
                expected="each spot at its own centre, in px of the image",
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
