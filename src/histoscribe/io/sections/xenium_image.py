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
        without exactly one alignment, and for a um/px that contradicts it.
    """
    said = source.facts.get("aligned", "").strip().casefold()
    if said not in (*_YES, *_NO):
        raise DataContractError(
            Problem(source.where, f"aligned {said!r}", "yes, no or nothing", "correct the cell")
        )
    stated_mpp = image_mpp(image, source.image_number)
    if said in _YES and source.alignment is None:
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
