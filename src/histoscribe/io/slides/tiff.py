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
from histoscribe.io.budget import MOST_BYTES, check_size
from histoscribe.io.slides.file_images import ImageChoice, choose_image
from histoscribe.io.slides.not_a_slide import PYRAMID, broken_image
from histoscribe.io.slides.tiff_images import (
    TiffImage,
    fits_as_level,
    misread,
    planes_problem,
    tiff_images,
)

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
OF_BROKEN_FILES = (
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
_OTHER_SHAPE = "is not used: it does not have the proportions of the image."
_MOST_TILE_BYTES = 1 << 28
"""Tiles of scanners have up to 12 MB, of exported slides up to 200 MB."""
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
    except OF_BROKEN_FILES as error:
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


def scan(
    tiff: tifffile.TiffFile, path: Path, number: int | None = None, *, whole: bool = True
) -> TiffScan:
    """Image of this number (from 1), else the largest.

    All its levels must be complete, unless tiles may be missing (`whole` is false): then an
    incomplete level below level 0 is left out.

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
    pages, warnings = _levels(tiff, image, whole=whole)
    for page in pages:
        check(path, page)
        if min(page.imagewidth, page.imagelength) < 1:
            raise OSError(_level(page))
        _check_tile(path, page)
        if found := _unlisted(page) or (_cut_off(tiff, page) if whole else ""):
            raise OSError(f"{_level(page)} {found}")
    return TiffScan(choice.index, image, tuple(pages), choice, tuple(warnings))


def _levels(
    tiff: tifffile.TiffFile, image: TiffImage, *, whole: bool
) -> tuple[list[tifffile.TiffPage], list[str]]:
    """Pages of the pyramid, level 0 first, and warnings of those that are not used."""
    pages, warnings = [image.page], []
    for page in image.reduced:
        if not (page.is_tiled and image.page.is_tiled):
            continue
        if not fits_as_level(image.page, page):
            warnings.append(f"{_level(page)} {_OTHER_SHAPE}")
        elif not whole and (found := _unlisted(page) or _cut_off(tiff, page)):
            warnings.append(f"{_level(page)} is not used: it {found}.")
        else:
            pages.append(page)
    return pages, warnings


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


def _check_tile(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse tiles and strips that a header makes larger than memory."""
    if page.is_tiled:
        width, height, kind = page.tilewidth, page.tilelength, "tile"
    else:
        width, height, kind = page.imagewidth, min(page.rowsperstrip, page.imagelength), "strip"
    check_size(
        path,
        f"a {kind} of {width} x {height} px",
        width * height * page.samplesperpixel,
        stored=path.stat().st_size,
        remedy=PYRAMID,
        most=_MOST_TILE_BYTES if page.is_tiled else MOST_BYTES,
    )


def _unlisted(page: tifffile.TiffPage) -> str:
    """Tiles that the index of a level lacks, in words; empty if it lists all."""
    n_parts = math.prod(page.chunked)
    n_listed = min(len(page.dataoffsets), len(page.databytecounts))
    return f"lists {n_listed} of {n_parts} tiles or strips" if n_listed < n_parts else ""


def _cut_off(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> str:
    """Find at once, not hours into a run, whether pixels of a level are cut off."""
    ends = np.asarray(page.dataoffsets, dtype=np.int64) + np.asarray(page.databytecounts)
    if ends.max() > tiff.filehandle.size:
        return f"ends at byte {ends.max()} of {tiff.filehandle.size}"
    return ""


def _level(page: tifffile.TiffPage) -> str:
    return f"A level of {page.imagewidth} x {page.imagelength} px"


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
