"""Image and levels of a TIFF from its header; refuses files that cannot be read exactly."""

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from re import search
from threading import get_ident

import numpy as np
import tifffile

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.file_images import ImageChoice, choose_image
from histoscribe.io.slides.not_a_slide import broken_image
from histoscribe.io.slides.tiff_images import (
    TiffImage,
    fits_as_level,
    misread,
    planes_problem,
    tiff_images,
)

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OF_BROKEN_FILES = (
    tifffile.TiffFileError,
    OSError,
    ValueError,
    RuntimeError,
    struct.error,
    TypeError,  # a tag holds the wrong type of value
    ArithmeticError,
    LookupError,
)
"""Exceptions of tifffile and its codecs; collected by flipping bytes."""
_log = logging.getLogger(__name__)


def is_tiff(path: Path) -> bool:
    """Whether a file is a TIFF, by its first bytes or, if it is empty or cut, by its name."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC or path.suffix.lower() in (".tif", ".tiff")


@contextmanager
def opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open with tifffile; its errors on broken files become messages for the user."""
    with reported(path), _complete(), tifffile.TiffFile(path) as tiff:
        _check_chain(tiff)
        yield tiff


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn tifffile's errors on broken files into messages for the user."""
    try:
        yield
    except _OF_BROKEN_FILES as error:
        raise broken_image(path, "TIFF", error) from error


@dataclass(frozen=True, eq=False)
class TiffScan:
    """Image of a TIFF to read: levels, choice, warnings."""

    index: int
    """Place among the images of the file."""
    image: TiffImage
    pages: tuple[tifffile.TiffPage, ...]
    """Pages of the pyramid, level 0 first."""
    choice: ImageChoice
    warnings: tuple[str, ...]


def scan(tiff: tifffile.TiffFile, path: Path, number: int | None = None) -> TiffScan:
    """Image of this number (from 1), else the largest; its levels are checked for completeness.

    Raises
    ------
    DataContractError
        for pixels that cannot be read exactly, and if several images are equally large.
    """
    images = tiff_images(tiff)
    choice = choose_image(str(path), [image.about for image in images], number)
    image = images[choice.index]
    check(path, image.page)
    if problem := planes_problem(str(path), image):
        raise DataContractError(problem)
    reduced = [page for page in image.reduced if page.is_tiled and image.page.is_tiled]
    pages = (image.page, *(page for page in reduced if fits_as_level(image.page, page)))
    for page in pages:
        check(path, page)
        _check_length(tiff, page)
    warnings = tuple(
        f"A reduced level of {page.imagewidth} x {page.imagelength} px does not have the "
        f"proportions of the image ({image.page.imagewidth} x {image.page.imagelength} px): it "
        "is not used."
        for page in reduced
        if page not in pages
    )
    return TiffScan(choice.index, image, pages, choice, warnings)


def check(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse pixel types whose colours would be misread."""
    if not (found := misread(page)):
        return _check_codec(path, page)
    raise DataContractError(
        Problem(
            where=str(path),
            found=found,
            expected="8 bits a channel, RGB, RGBA or grey",
            remedy="save the image as an 8-bit RGB TIFF",
        )
    )


def _check_chain(tiff: tifffile.TiffFile) -> None:
    """Follow the chain of pages once: tifffile would follow a circle without end."""
    file, form = tiff.filehandle, tiff.tiff
    offsets: dict[int, int] = {}
    offset = tiff.pages.first.offset
    while offset:
        if offset in offsets:
            raise OSError(
                f"the chain of pages runs in a circle: page {len(offsets)} is followed by page "
                f"{offsets[offset] + 1}"
            )
        if offset >= file.size:
            raise OSError(f"page {len(offsets) + 1} begins at byte {offset} of {file.size}")
        offsets[offset] = len(offsets)
        file.seek(offset)
        (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        file.seek(offset + form.tagnosize + n_tags * form.tagsize)
        (offset,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))


def _check_length(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Check at once, not hours into a run, that index and pixels of a level are complete."""
    name = f"a level of {page.imagewidth} x {page.imagelength} px"
    if min(page.imagewidth, page.imagelength) < 1:
        raise OSError(name)
    n_parts = math.prod(page.chunked)
    if min(len(page.dataoffsets), len(page.databytecounts)) < n_parts:
        raise OSError(f"{name} lists {len(page.dataoffsets)} of {n_parts} tiles or strips")
    ends = np.asarray(page.dataoffsets, dtype=np.int64) + np.asarray(page.databytecounts)
    if ends.max() > tiff.filehandle.size:
        raise OSError(f"{name} ends at byte {ends.max()} of {tiff.filehandle.size}")


def _check_codec(path: Path, page: tifffile.TiffPage) -> None:
    try:
        if page.compression != 1:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"pixels in a compression that cannot be read ({page.compression})",
                expected="JPEG, JPEG 2000, LZW, deflate or no compression",
                remedy="save the slide as a pyramidal TIFF with JPEG compression, e.g. with QuPath "
                "or `vips tiffsave --tile --pyramid --compression jpeg`",
            )
        ) from error


class _Heard(logging.Filter):
    """Collects tifffile's log messages about this thread's file."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._thread = get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep this thread's messages; other threads read other files."""
        if record.thread != self._thread:
            return True
        self.said.append(record.getMessage())
        return False


@contextmanager
def _complete() -> Iterator[None]:
    """Stop where tifffile only logs that the chain of pages leads outside the file."""
    heard, logger = _Heard(), logging.getLogger("tifffile")
    logger.addFilter(heard)
    try:
        yield
    except IndexError as error:  # from tifffile, when even the first page is missing
        raise OSError(heard.said[-1] if heard.said else "it holds no image") from error
    finally:
        logger.removeFilter(heard)
    for said in heard.said:
        if search(r"invalid (page offset|offset to)", said):
            raise OSError(said)
        _log.debug("tifffile: %s", said)
