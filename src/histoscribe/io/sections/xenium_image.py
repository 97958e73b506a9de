"""The H&E image of a Xenium section: where it lies, and its um/px."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.alignment import (
    ImageAlignment,
    alignment_files,
    identical,
    no_alignment,
    read_alignment,
)
from histoscribe.io.sections.source import Source
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.io.slides.slide import image_mpp

_YES, _NO = ("yes", "true", "1"), ("", "no", "false", "0")


@dataclass(frozen=True, eq=False)
class PlacedImage:
    """An image file that an alignment connects with the um of Xenium data."""

    alignment: ImageAlignment
    mpp: float
    origin: str
    """Origin of the um/px, in words."""


def placed_image(
    source: Source, image: Path, folders: Sequence[Path], pixel_um: float
) -> PlacedImage:
    """Find the alignment of an image: the named file, else the one in `folders`, else by word.

    An image that the column `aligned` calls aligned begins at the corner of the data. Its um/px is
    stated, or that of the morphology image (`pixel_um`).

    Raises
    ------
    DataContractError
        without exactly one alignment, for one beside the word that none is needed, and for a um/px
        that contradicts it.
    """
    stated_mpp = image_mpp(image, source.image_number)
    if is_aligned(source):
        matrices = [source.alignment] if source.alignment else alignment_files(image, folders)
        if matrices:
            raise DataContractError(_aligned_twice(source, matrices[0].name))
        known = source.mpp is not None or stated_mpp is not None
        of_px = Resolutions(source.mpp, stated_mpp, None, alignment=None if known else pixel_um)
        mpp, origin = of_px.settle(source.where, source.mpp_from)
        return PlacedImage(identical(mpp), mpp, origin)
    path = source.alignment
    if path is None:
        found = alignment_files(image, folders)
        if len(found) != 1:
            raise DataContractError(no_alignment(source.where, found))
        path = found[0]
    alignment = read_alignment(path, pixel_um)
    of_image = Resolutions(source.mpp, stated_mpp, None, alignment=alignment.mpp)
    return PlacedImage(alignment, *of_image.settle(source.where, source.mpp_from))


def is_aligned(source: Source) -> bool:
    """Whether the column `aligned` says that the px of the image are those of the data."""
    said = source.facts.get("aligned", "").strip().casefold()
    if said not in (*_YES, *_NO):
        raise DataContractError(
            Problem(source.where, f"aligned {said!r}", "yes, no or nothing", "correct the cell")
        )
    return said in _YES


def _aligned_twice(source: Source, matrix: str) -> Problem:
    return Problem(
        where=source.where,
        found=f"aligned {source.facts['aligned']!r}, and the alignment {matrix}",
        expected="an image with the corner and axes of the data, or a matrix that takes it there",
        remedy="empty the column `aligned` to use the matrix; else empty the column `alignment`, "
        "or move the file away",
    )
