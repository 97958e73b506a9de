"""Levels and um/px of a TIFF from its header; refuses files that cannot be read exactly."""

import logging
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from re import IGNORECASE, search
from threading import get_ident
from xml.etree import ElementTree

import numpy as np
import tifffile

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.not_a_slide import broken_image

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_COLOUR = (
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
)
_TO_RGB = (6, 7, 34892, 50001)
"""Compressions whose decoder turns YCbCr into RGB: JPEG (old, new, lossy DNG) and WebP."""
_UM_PER_UNIT = {tifffile.RESUNIT.INCH: 25_400.0, tifffile.RESUNIT.CENTIMETER: 10_000.0}
_UM_PER_OME_UNIT = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
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
        yield tiff


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn tifffile's errors on broken files into messages for the user."""
    try:
        yield
    except _OF_BROKEN_FILES as error:
        raise broken_image(path, "TIFF", error) from error


def levels(tiff: tifffile.TiffFile, path: Path) -> tuple[tifffile.TiffPage, ...]:
    """Pages of the pyramid, level 0 first; labels, macro images and thumbnails are left out.

    Levels are in the SubIFDs of the first page, or in later pages in tiles: marked as reduced,
    except in Aperio files, where every page in tiles is a level.
    """
    first = tiff.pages.first
    check(path, first)
    _check_planes(path, first)
    below = [*(first.pages or ()), *_pages(tiff)[1:]] if first.is_tiled else []
    aperio = first.description.startswith("Aperio")
    wanted = [page for page in below if _is_level(first, page, aperio=aperio)]
    pages = (first, *sorted(wanted, key=lambda page: -page.imagewidth))
    for page in pages:
        check(path, page)
        _check_length(tiff, page)
    return pages


def check(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse pixel types whose colours would be misread."""
    ycbcr = page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression in _TO_RGB
    known = (page.photometric in _COLOUR or ycbcr) and page.samplesperpixel <= 4
    if page.dtype == np.uint8 and known:
        return _check_codec(path, page)
    raise DataContractError(
        Problem(
            where=str(path),
            found=f"{page.dtype} {tifffile.PHOTOMETRIC(page.photometric).name} pixels of "
            f"{page.samplesperpixel} samples",
            expected="8 bits a channel, RGB, RGBA or grey",
            remedy="save the image as an 8-bit RGB TIFF",
        )
    )


def um_per_px(tiff: tifffile.TiffFile) -> tuple[float, float] | None:
    """Um/px in x and y from OME-XML, else from Aperio's text, else from the resolution tags."""
    page = tiff.pages.first
    if page.description.startswith("Aperio"):
        found = search(r"\|\s*MPP\s*=\s*([0-9.]+)", page.description, IGNORECASE)
        if found:
            return float(found[1]), float(found[1])
    pixels = _ome_pixels(page.description)
    return (pixels is not None and _ome_size(pixels)) or _from_tags(page)


def _pages(tiff: tifffile.TiffFile) -> Sequence[tifffile.TiffPage]:
    tiff.pages.useframes = False
    return [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]


def _is_level(first: tifffile.TiffPage, page: object, *, aperio: bool) -> bool:
    if not isinstance(page, tifffile.TiffPage) or not page.is_tiled:
        return False
    if not (aperio or page.is_reduced or page.is_subifd):
        return False
    same = (page.dtype, page.samplesperpixel) == (first.dtype, first.samplesperpixel)
    factor = first.imagewidth / page.imagewidth
    # scanners round the sides of a level up or down; Philips and similar ones up to a whole tile
    apart = abs(first.imagelength / factor - page.imagelength)
    return same and factor > 1 and apart <= 1.5


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


def _check_planes(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse fluorescence: its first channel would look like a grey image."""
    pixels = _ome_pixels(page.description)
    if pixels is None:
        return
    sizes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "CZT"}
    if sizes["C"] <= page.samplesperpixel and sizes["Z"] == sizes["T"] == 1:
        return
    raise DataContractError(
        Problem(
            where=str(path),
            found=f"an OME-TIFF of {sizes['C']} channels, {sizes['Z']} depths and {sizes['T']} "
            f"times in pages of {page.samplesperpixel} samples a px",
            expected="one brightfield image, its three colours stored in one page",
            remedy="save the H&E image as RGB, e.g. with QuPath: Export images, OME TIFF",
        )
    )


def _ome_pixels(description: str) -> ElementTree.Element | None:
    """Element `Pixels` of the first image in OME-XML; None without OME-XML."""
    if "<OME" not in description[:2000]:
        return None
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError as error:
        raise ValueError(f"the OME-XML cannot be read: {error}") from error
    return next((part for part in root.iter() if part.tag.endswith("}Pixels")), None)


def _ome_size(pixels: ElementTree.Element) -> tuple[float, float] | None:
    sides = [pixels.get(f"PhysicalSize{axis}") for axis in "XY"]
    units = [pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"]
    if None in sides or any(unit not in _UM_PER_OME_UNIT for unit in units):
        return None
    x, y = (float(s or 0) * _UM_PER_OME_UNIT[u] for s, u in zip(sides, units, strict=True))
    return (x, y) if x > 0 and y > 0 else None


def _from_tags(page: tifffile.TiffPage) -> tuple[float, float] | None:
    sides = [page.tags.valueof(name) for name in ("XResolution", "YResolution")]
    unit = page.tags.valueof("ResolutionUnit", default=tifffile.RESUNIT.INCH)
    if None in sides or unit not in _UM_PER_UNIT or any(0 in side for side in sides):
        return None
    x, y = (_UM_PER_UNIT[unit] * side[1] / side[0] for side in sides)
    return float(x), float(y)


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
