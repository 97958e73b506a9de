"""Xenium sections: cells or transcripts, placed on an H&E image by an alignment matrix."""

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.alignment import (
    ImageAlignment,
    alignment_files,
    identical,
    no_alignment,
    read_alignment,
)
from histoscribe.io.sections.pooling import NO_POOL, pool_of, pool_um_of, pooled
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.tenx import read_matrix
from histoscribe.io.sections.transcripts import LEAST_QV, square_transcripts
from histoscribe.io.sections.xenium_files import (
    CELLS,
    MATRIX,
    TRANSCRIPTS,
    XeniumFiles,
    read_cells,
)
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Counts, Spots

_POOLS = ("cells", "transcripts", NO_POOL)
_YES, _NO = ("yes", "true", "1"), ("", "no", "false", "0")


def read_xenium(source: Source) -> Reading:
    """Read an output folder of Xenium, and the H&E image of the same tissue.

    The column `pool` says what is summed into squares of `pool_um`: `cells` (the default),
    `transcripts` (all of qv 20 or more, in cells or not), or `none`, which gives every cell as a
    spot. Controls and codewords without a gene are left out. Places come to the image by the
    matrix of the column `alignment`, else of the one `*imagealignment.csv` beside the image or in
    the folder; without one the column `aligned` must say `yes`.
    """
    if source.path is None or source.image is None:
        raise ValueError("a section of kind xenium needs a path and an image")
    files = XeniumFiles.of(source.path)
    pool = pool_of(source, _POOLS)
    pixel_um, notes = files.pixel_um()
    alignment, mpp, origin = _placed(source, files, pixel_um)
    counts, cells, left_out = read_matrix(files.file(MATRIX), source.facts.get("genome"))
    if pool == "transcripts":
        spots, counts, told = _pooled_transcripts(source, files, counts, alignment)
    else:
        spots, counts, told = _cells(source, files, (counts, cells), alignment)
    return Reading(
        slide=open_slide(source.image, mpp, source.white, source.image_number),
        spots=spots,
        in_tissue=np.ones(len(spots), dtype=bool),
        counts=counts,
        count_ids=spots.ids,
        notes=(
            *(f"image: {source.image.name}", alignment.what, origin, *notes, told),
            f"panel of {len(counts.gene_ids):,} genes: the depth of a spot is its total over them",
            *left_out,
        ),
    )


XENIUM = Reader("xenium", "Xenium and an H&E image", ("path", "image"), read_xenium)


def _placed(
    source: Source, files: XeniumFiles, pixel_um: float
) -> tuple[ImageAlignment, float, str]:
    """Place the image: its alignment, its um/px and the origin of that."""
    said = source.facts.get("aligned", "").strip().casefold()
    if said not in (*_YES, *_NO):
        raise DataContractError(
            Problem(source.where, f"aligned {said!r}", "yes, no or nothing", "correct the cell")
        )
    image = source.image
    if image is None:
        raise ValueError("a section of kind xenium needs an image")
    stated_mpp = image_mpp(image, source.image_number)
    if said in _YES and source.alignment is None:
        known = source.mpp is not None or stated_mpp is not None
        of_px = Resolutions(source.mpp, stated_mpp, None, alignment=None if known else pixel_um)
        mpp, origin = of_px.settle(source.where, source.mpp_from)
        return identical(mpp), mpp, origin
    path = source.alignment
    if path is None:
        found = alignment_files(image, (image.parent, files.root, files.root.parent))
        if len(found) != 1:
            raise DataContractError(no_alignment(source.where, found))
        path = found[0]
    alignment = read_alignment(path, pixel_um)
    of_image = Resolutions(source.mpp, stated_mpp, None, alignment=alignment.mpp)
    mpp, origin = of_image.settle(source.where, source.mpp_from)
    return alignment, mpp, origin


def _cells(
    source: Source,
    files: XeniumFiles,
    measured: tuple[Counts, tuple[str, ...]],
    alignment: ImageAlignment,
) -> tuple[Spots, Counts, str]:
    """Cells as spots, or summed into squares; with a note."""
    counts, ids = measured
    cells = read_cells(files.file(CELLS))
    row_of = {id_: row for row, id_ in enumerate(ids)}
    rows = np.array([row_of.get(id_, -1) for id_ in cells.ids], dtype=np.int64)
    if (rows < 0).any() or len(rows) != len(ids):
        n_known = int((rows >= 0).sum())
        raise broken(
            files.file(CELLS),
            f"{n_known} of its {len(rows)} cells are among the {len(ids)} of {MATRIX}",
            "the same cells in both, as one run writes them",
        )
    matrix = counts.matrix[rows]
    if pool_of(source, _POOLS) == NO_POOL:
        xy = cells.um @ alignment.to_px[:, :2].T + alignment.to_px[:, 2]
        spots = Spots(cells.ids, xy, cells.diameter_um, None, "cells")
        return spots, Counts(matrix, counts.gene_ids, counts.gene_names), "each cell is a spot"
    pool_um = pool_um_of(source)
    squares = pooled(cells.um, matrix, pool_um, None, None, alignment.to_px)
    told = f"pooled: {len(squares.spots):,} squares of {pool_um:g} um from {len(rows):,} cells"
    return squares.spots, Counts(squares.counts, counts.gene_ids, counts.gene_names), told


def _pooled_transcripts(
    source: Source, files: XeniumFiles, counts: Counts, alignment: ImageAlignment
) -> tuple[Spots, Counts, str]:
    """Transcripts summed into squares, with a note."""
    pool_um = pool_um_of(source)
    read = square_transcripts(files.file(TRANSCRIPTS), counts.gene_names, pool_um)
    squares = pooled(read.um, read.counts, pool_um, None, None, alignment.to_px)
    n = int(squares.counts.sum())
    told = (
        f"pooled: {len(squares.spots):,} squares of {pool_um:g} um from {n:,} transcripts of qv "
        f"{LEAST_QV} or more; left out: {read.n_low:,} of lower qv, {read.n_other:,} of no gene"
    )
    return squares.spots, Counts(squares.counts, counts.gene_ids, counts.gene_names), told
