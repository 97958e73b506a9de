"""Xenium sections as the instrument writes them, with an H&E image of the same tissue."""

from dataclasses import replace

import numpy as np

from histoscribe.io.sections.pooling import NO_POOL, pool_of
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.tenx import read_matrix
from histoscribe.io.sections.xenium_files import (
    CELLS,
    MATRIX,
    TRANSCRIPTS,
    XeniumCells,
    XeniumFiles,
    read_cells,
)
from histoscribe.io.sections.xenium_image import placed_image
from histoscribe.io.sections.xenium_spots import spots_of_cells, spots_of_transcripts
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Counts


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
    pool = pool_of(source, ("cells", "transcripts", NO_POOL))
    files = XeniumFiles.of(source.path)
    pixel_um, notes = files.pixel_um()
    folders = (source.image.parent, files.root, files.root.parent)
    image = placed_image(source, source.image, folders, pixel_um)
    counts, ids, left_out = read_matrix(files.file(MATRIX), source.facts.get("genome"))
    if pool == "transcripts":
        path = files.file(TRANSCRIPTS)
        measured = spots_of_transcripts(source, path, counts, image.alignment.to_px)
    else:
        cells, counts = _cells(files, counts, ids)
        measured = spots_of_cells(source, cells, counts, image.alignment.to_px)
    return Reading(
        slide=open_slide(source.image, image.mpp, source.white, source.image_number),
        spots=measured.spots,
        in_tissue=np.ones(len(measured.spots), dtype=bool),
        counts=measured.counts,
        count_ids=measured.spots.ids,
        notes=(
            *(f"image: {source.image.name}", image.alignment.what, image.origin, *notes),
            *(*measured.notes, *left_out),
        ),
    )


XENIUM = Reader("xenium", "Xenium and an H&E image", ("path", "image"), read_xenium, pools=True)


def _cells(files: XeniumFiles, counts: Counts, ids: tuple[str, ...]) -> tuple[XeniumCells, Counts]:
    """Cells with the counts in their order; `ids` are the cells of the rows of `counts`."""
    path = files.file(CELLS)
    cells = read_cells(path)
    row_of = {id_: row for row, id_ in enumerate(ids)}
    rows = np.array([row_of.get(id_, -1) for id_ in cells.ids], dtype=np.int64)
    if (rows < 0).any() or len(rows) != len(ids):
        raise broken(
            path,
            f"{int((rows >= 0).sum())} of its {len(rows)} cells are among the {len(ids)} of "
            f"{MATRIX}",
            "the same cells in both, as one run writes them",
        )
    return cells, replace(counts, matrix=counts.matrix[rows])
