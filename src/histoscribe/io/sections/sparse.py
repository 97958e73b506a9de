"""Sections as a SciPy sparse matrix, a list of genes and a table of coordinates."""

import math
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.budget import check_size
from histoscribe.io.files import check_file
from histoscribe.io.sections.anndata_section import array_of
from histoscribe.io.sections.delimited import read_frame, text_lines
from histoscribe.io.sections.gene_ids import are_counts, counts_of
from histoscribe.io.sections.lattice import lattice_of
from histoscribe.io.sections.library import choose_library, marks_of, refuse_shared_places
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.platform import NO_LATTICE, refuse_visium_hd
from histoscribe.io.sections.scale_factors import ScaleFactors
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.sparse_arrays import check_sparse, sound_matrix
from histoscribe.io.sections.table import broken
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Spots

_CENTRE = ("px", "py")
_PX = (_CENTRE, ("pixel_x", "pixel_y"))
"""Columns of spot centres; the first existing pair is in px of the image."""
_NPZ = "a matrix written by scipy.sparse.save_npz"
_VISIUM_FILL = 0.55
"""Diameter over pitch of Visium; default for a grid without `diameter_um`."""


def read_sparse(source: Source) -> Reading:
    """Read counts (`.npz`, genes in rows), gene names (`path`, one a line) and coordinates.

    `spots` is a CSV with `barcode`, `px` and `py`, in the order of the columns of the matrix;
    `array_row` and `array_col`, if it has them, are checked against the positions. The
    columns `pitch_um` and `diameter_um` of the manifest describe the printed spots (Visium: 100 and
    55). Without a pitch, um/px comes from the image or the user, and the pitch follows from it and
    the lattice; spots on no lattice are cells.
    """
    names, image, stored, places = source.path, source.image, source.counts, source.spots
    if names is None or image is None or stored is None or places is None:
        raise ValueError("a section of kind sparse needs path, image, counts and spots")
    table, genes = _coordinates(places), _lines(names)
    matrix = _matrix(stored, (len(genes), len(table)))
    features = MatrixFeatures(ids=genes, names=genes)
    counts, notes = counts_of(matrix, features, str(stored), source.facts.get("genome"))
    marks = marks_of(table.set_index("barcode"), ())
    rows = choose_library(str(places), marks, (), source.library)
    if rows is not None:
        table, counts = table.iloc[rows], replace(counts, matrix=counts.matrix[rows])
        notes = (f"library {source.library}: {len(rows)} spots of the file", *notes)
    ids, xy = tuple(table["barcode"]), table[list(_CENTRE)].to_numpy(np.float64)
    array = array_of(places, table)
    refuse_visium_hd(str(places), ids, ScaleFactors())
    refuse_shared_places(str(places), xy)
    lattice, pitch_um = lattice_of(xy, array), source.number("pitch_um")
    found = Resolutions(
        user=source.mpp,
        metadata=image_mpp(image, source.image_number),
        pitch=pitch_um / lattice.pitch_px if pitch_um and lattice else None,
        reason="" if lattice else NO_LATTICE,
    )
    mpp, origin = found.settle(source.where, source.mpp_from)
    if pitch_um is None and lattice is not None:
        pitch_um = lattice.pitch_px * mpp
    return Reading(
        slide=open_slide(image, mpp, source.white, source.image_number),
        spots=_spots(ids, xy, pitch_um, source.number("diameter_um")),
        in_tissue=np.ones(len(ids), dtype=bool),
        counts=counts,
        count_ids=ids,
        notes=(origin, *notes),
        array=array,
    )


SPARSE = Reader(
    "sparse",
    "SciPy .npz counts, gene names in `path`, coordinates",
    ("path", "image", "counts", "spots"),
    read_sparse,
)


def _spots(
    ids: tuple[str, ...],
    xy: Float[np.ndarray, "N 2"],
    pitch_um: float | None,
    diameter_um: float | None,
) -> Spots:
    """Printed spots; without a pitch, cells."""
    if pitch_um is None:
        return Spots(ids, xy, diameter_um, None, "cells")
    return Spots(ids, xy, diameter_um or _VISIUM_FILL * pitch_um, pitch_um)


def _coordinates(path: Path) -> pd.DataFrame:
    """Table of the spots, with their centres in `px` and `py`."""
    table = read_frame(path)
    names = next((pair for pair in _PX if set(pair) <= set(table.columns)), _CENTRE)
    missing = [name for name in ("barcode", *names) if name not in table.columns]
    if missing:
        raise broken(path, f"no column {', '.join(missing)}", "barcode, px and py")
    table[list(_CENTRE)] = table[list(names)].apply(pd.to_numeric, errors="coerce")
    table["barcode"] = table["barcode"].astype(str)
    is_finite = np.isfinite(table[list(_CENTRE)].to_numpy(np.float64)).all()
    if not is_finite or not table["barcode"].is_unique or len(table) < 2:
        raise broken(path, "gaps, repeated barcodes or fewer than two spots", "one line a spot")
    return table


def _lines(path: Path) -> list[str]:
    lines = [line.decode().strip().strip('"') for line in text_lines(path)[0]]
    genes = [line for line in lines if line]
    if len(set(genes)) != len(genes):
        raise broken(path, "genes repeat", "each gene once")
    return genes


def _matrix(path: Path, shape: tuple[int, int]) -> sp.csr_matrix:
    """Read the matrix (nothing is unpickled) and transpose it: [N, A] whole numbers >= 0."""
    stored = _stored(path)
    if stored.shape != shape:
        turned = " (it is transposed: transpose it back)" if stored.shape == shape[::-1] else ""
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"{stored.shape[0]} x {stored.shape[1]} counts{turned}",
                expected=f"{shape[0]} genes x {shape[1]} spots, as gene names and coordinates say",
                remedy="give the three files of one section",
            )
        )
    check_sparse(path, stored)
    matrix = sound_matrix(path, stored.T)
    if not are_counts(matrix.data):
        found = "fractions, negatives, NaN or values too large for a count"
        raise broken(path, found, "raw counts: whole numbers >= 0")
    return matrix.astype(np.int32)


def _stored(path: Path) -> Any:
    """The matrix of an npz file, after the sizes of its members were checked."""
    check_file(path, _NPZ)
    try:
        # read from memory: a truncated file would stay open
        raw = BytesIO(path.read_bytes())
        with zipfile.ZipFile(raw) as archive:
            size = sum(_member_bytes(archive, item) for item in archive.infolist())
        remedy = "copy or export the file again"
        check_size(path, "its matrix", size, stored=len(raw.getvalue()), remedy=remedy)
        raw.seek(0)
        return sp.load_npz(raw)
    except DataContractError:
        raise
    except Exception as error:  # zip, deflate and NumPy's headers fail in nearly every kind
        kind = type(error).__name__
        found = f"truncated or no sparse matrix ({kind}: {error})"
        raise broken(path, found, _NPZ) from error


def _member_bytes(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> int:
    """Memory for one array: as long as the zip file says, or as its own header says."""
    with archive.open(item) as member:
        version = np.lib.format.read_magic(member)
        of_version = {(1, 0): np.lib.format.read_array_header_1_0}
        read_header = of_version.get(version, np.lib.format.read_array_header_2_0)
        shape, _, dtype = read_header(member)
    return max(item.file_size, math.prod(shape) * dtype.itemsize)
