"""Slides of scanner vendors through OpenSlide: ndpi, mrxs, scn, bif, svslide, vms, dcm ..."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import openslide
from jaxtyping import Int, UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.file_images import FileImage, ImagePath
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.tiff_tiles import on_white
from histoscribe.io.slides.tile_cache import stamp
from histoscribe.io.slides.tile_damage import DamagedTile

CACHE_BYTES = 64 << 20
"""Cache size of OpenSlide's decoded tiles, per slide."""
_TILE_PX = 512
"""Width of the parts that are tried one by one where a format has no tiles."""
_SIDE_PX = 4096
"""Largest square read at once: OpenSlide gives RGBA, and several copies exist for a moment."""
_TRIES = 3
"""Another thread that met a damaged tile may have ended the shared handle."""
_FILES_KEPT = 8
_DICOM_HEAD_BYTES = 1 << 18
_BOUNDS = (
    openslide.PROPERTY_NAME_BOUNDS_X,
    openslide.PROPERTY_NAME_BOUNDS_Y,
    openslide.PROPERTY_NAME_BOUNDS_WIDTH,
    openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
)


def vendor(path: Path) -> str | None:
    """OpenSlide's name of the format, e.g. `aperio` or `mirax`; None for an unknown one."""
    return openslide.OpenSlide.detect_format(path)


def sizes(path: Path) -> tuple[tuple[int, int], ...]:
    """Width and height of each level, of the scanned rectangle (see `scanned`)."""
    slide = _slide(path)
    _, _, width, height = scanned(slide)
    if (width, height) == slide.dimensions:
        return tuple(slide.level_dimensions)
    return tuple(
        (max(int(width / factor), 1), max(int(height / factor), 1))
        for factor in slide.level_downsamples
    )


def scanned(slide: openslide.OpenSlide) -> tuple[int, int, int, int]:
    """Left, top, width and height of the scanned area, in OpenSlide's level-0 px.

    MRXS and SCN place the scan on an empty field as large as the glass. As in QuPath, level 0 is
    the scan alone in this package, so that annotations and masks from QuPath fit the predictions.
    """
    known = slide.properties
    try:
        left, top, width, height = (int(known[name]) for name in _BOUNDS)
    except (KeyError, ValueError):
        return (0, 0, *slide.dimensions)
    across, down = slide.dimensions
    inside = left >= 0 and top >= 0 and left + width <= across and top + height <= down
    return (left, top, width, height) if inside and min(width, height) > 0 else (0, 0, across, down)


def stated_mpp(path: Path) -> tuple[float, float] | None:
    """Um/px in x and y as the scanner stated them."""
    known = _slide(path).properties
    sides = [
        known.get(name) for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
    ]
    try:
        x, y = (float(side or 0) for side in sides)
    except ValueError:
        return None
    return (x, y) if x > 0 and y > 0 else None


def magnification(path: Path) -> float | None:
    """Magnification of the objective; None for MRXS, whose cameras magnify further."""
    slide = _slide(path)
    if slide.properties.get(openslide.PROPERTY_NAME_VENDOR) == "mirax":
        return None
    try:
        return float(slide.properties[openslide.PROPERTY_NAME_OBJECTIVE_POWER])
    except (KeyError, ValueError):
        return None


def pictures(path: Path) -> list[FileImage]:
    """Pictures beside the scan, e.g. its label and the macro image of the glass."""
    slide = _slide(path)
    return [
        FileImage(
            width=int(slide.properties.get(f"openslide.associated.{name}.width", 0)),
            height=int(slide.properties.get(f"openslide.associated.{name}.height", 0)),
            name=name,
            aside=True,
        )
        for name in sorted(slide.associated_images)
    ]


def files(path: Path) -> tuple[Path, ...]:
    """All files that hold the slide, the named one first."""
    kind = vendor(path)
    if kind == "mirax":
        others = [file for file in path.with_suffix("").rglob("*") if file.is_file()]
    elif kind == "dicom":
        others = _of_series(path, _slide(path).properties["dicom.SeriesInstanceUID"])
    elif kind == "hamamatsu" and path.suffix.lower() in (".vms", ".vmu"):
        named = [line.partition("=")[2].strip() for line in path.read_text("latin-1").splitlines()]
        others = [
            path.parent / name for name in set(named) if name and _is_file(path.parent / name)
        ]
    else:
        others = []
    return (path, *sorted(others))


def read_region(
    image: ImagePath, level: int, left: int, top: int, right: int, bottom: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Pixels of a rectangle inside a level, composed on white.

    OpenSlide takes whole level-0 px as the corner. If a level's factor is a fraction, a corner is
    off by at most half a level-0 px.
    """
    out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    for y in range(top, bottom, _SIDE_PX):
        for x in range(left, right, _SIDE_PX):
            box = (x, y, min(x + _SIDE_PX, right), min(y + _SIDE_PX, bottom))
            part = out[y - top : box[3] - top, x - left : box[2] - left]
            part[:] = _filled(image, level, box) if image.fill else _read(image.path, level, box)
    return out


def damage(image: ImagePath, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
    """Tiles that these boxes (px of the level) touch and that OpenSlide cannot read.

    OpenSlide decodes what it can: of JPEG it passes over corrupt data.
    """
    slide = _slide(image.path)
    width, height = sizes(image.path)[level]
    side_x, side_y = _tile_size(slide, level)
    places = {
        (x, y)
        for left, top, right, bottom in boxes
        for y in range(max(top, 0) // side_y * side_y, min(bottom, height), side_y)
        for x in range(max(left, 0) // side_x * side_x, min(right, width), side_x)
    }
    damaged = []
    for x, y in sorted(places, key=lambda place: place[::-1]):
        box = (x, y, min(x + side_x, width), min(y + side_y, height))
        if why := _why_not(image.path, level, box):
            factor = slide.level_downsamples[level]
            damaged.append(DamagedTile(level, Box(*(factor * side for side in box)), why))
    return tuple(damaged)


PxBox = tuple[int, int, int, int]


def _read(path: Path, level: int, box: PxBox) -> UInt8[np.ndarray, "height width 3"]:
    """Read a box of at most `_SIDE_PX`."""
    left, top, right, bottom = box
    slide = _slide(path)
    x0, y0, _, _ = scanned(slide)
    factor = slide.level_downsamples[level]
    corner = (x0 + round(left * factor), y0 + round(top * factor))
    with _reported(path):
        rgba = np.asarray(slide.read_region(corner, level, (right - left, bottom - top)))
    return rgba[..., :3] if rgba[..., 3].min() == 255 else on_white(rgba)


def _filled(image: ImagePath, level: int, box: PxBox) -> UInt8[np.ndarray, "height width 3"]:
    """Read a box; of tiles that cannot be read, white."""
    try:
        return _read(image.path, level, box)
    except DataContractError:
        _open.cache_clear()  # OpenSlide refuses every read after the first that failed
    left, top, right, bottom = box
    side_x, side_y = _tile_size(_slide(image.path), level)
    out = np.full((bottom - top, right - left, 3), 255, dtype=np.uint8)
    for y in range(top // side_y * side_y, bottom, side_y):
        for x in range(left // side_x * side_x, right, side_x):
            x0, y0 = max(x, left), max(y, top)
            part = (x0, y0, min(x + side_x, right), min(y + side_y, bottom))
            if not _why_not(image.path, level, part):
                pixels = _read(image.path, level, part)
                out[y0 - top : part[3] - top, x0 - left : part[2] - left] = pixels
    return out


def _why_not(path: Path, level: int, box: PxBox) -> str:
    """Why OpenSlide cannot read a box; empty if it can."""
    why = ""
    for _ in range(_TRIES):
        try:
            _read(path, level, box)
        except DataContractError as error:
            _open.cache_clear()
            why = f"OpenSlide says {str(error.__cause__)!r}"
        else:
            return ""
    return why


def _tile_size(slide: openslide.OpenSlide, level: int) -> tuple[int, int]:
    """Width and height of the tiles of a level, in its px."""
    names = (f"openslide.level[{level}].tile-{side}" for side in ("width", "height"))
    width, height = (int(slide.properties.get(name, _TILE_PX)) for name in names)
    return max(width, 1), max(height, 1)


def _slide(path: Path) -> openslide.OpenSlide:
    # a forked worker opens its own file: an open file has one position
    return _open(path, stamp(path), os.getpid())


@lru_cache(maxsize=_FILES_KEPT)
def _open(path: Path, state: tuple[int, ...], process: int) -> openslide.OpenSlide:
    del state, process
    with _reported(path):
        slide = openslide.OpenSlide(path)
    slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
    return slide


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except openslide.OpenSlideError as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"the slide cannot be read: OpenSlide says {str(error)!r}",
                expected="a complete slide with all its files, e.g. the folder beside a .mrxs",
                remedy="copy it again with its folder and compare the sizes; if QuPath opens it, "
                "export it there as OME-TIFF",
            )
        ) from error


def _of_series(path: Path, series: str) -> list[Path]:
    """Other files of a DICOM slide: in the same folder and of the same series.

    A folder may hold several slides. The series (0020,000E) comes before any long element.
    """
    element = re.compile(
        rb"\x20\x00\x0e\x00(?:UI..|....)" + re.escape(series.encode()) + rb"[\0 ]?(?![0-9.])",
        re.DOTALL,
    )
    others = []
    for file in path.parent.iterdir():
        if file == path or not _is_file(file):
            continue
        with file.open("rb") as opened:
            head = opened.read(_DICOM_HEAD_BYTES)
        if head[128:132] == b"DICM" and element.search(head):
            others.append(file)
    return others


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an index value that is not a name
        return False
