"""Slides of every format that this package opens, small."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs  # noqa: F401  # the codecs, before the forks
import numpy as np
import tifffile
from PIL import Image

from benchmarks._pyramid import Layout, write_pyramid
from histoscribe.io.slides.mask import read_mask
from histoscribe.io.slides.slide import open_slide, open_whole_slide
from tests.fuzz.subject import Subject, check
from tests.io.slides.test_slide_vendor import leica_xml, write_dicom

SIDE_PX = (300, 260)
_APERIO = "Aperio Image Library v1\n300x260 (64x64) JPEG Q=90|AppMag = 20|MPP = 0.5"


def _pixels(width: int = SIDE_PX[0], height: int = SIDE_PX[1]) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 31) + np.cos(y / 47), np.cos(x / 53 + y / 29), np.sin((x - y) / 41)]
    return np.stack([127 + 50 * wave for wave in waves], axis=2).astype(np.uint8)


def _read(name: str, folder: Path) -> None:
    slide = open_whole_slide(folder / name, 0.5, mpp_from="user")
    check(so=min(slide.width, slide.height) > 0, what="an empty image")
    slide.pixel_hash()
    slide.overview(4.0)
    tile = slide.read((150.0, 130.0), 64, 0.5)
    check(so=tile.shape == (64, 64, 3) and tile.dtype == np.uint8, what="another tile")


def _tiled(path: Path, **layout: object) -> None:
    half = np.asarray(Image.fromarray(_pixels()).reduce(2))
    whole = {"photometric": "rgb", "metadata": None, "tile": (64, 64), **layout}
    with tifffile.TiffWriter(path) as file:
        for level, pixels in enumerate((_pixels(), half)):
            file.write(pixels, subfiletype=level, **whole)


def _flat(path: Path, **how: object) -> None:
    Image.fromarray(_pixels()).save(path, **how)


def _ome(path: Path) -> None:
    pixels = _pixels()
    write_pyramid(
        path,
        lambda left, top, right, bottom: pixels[top:bottom, left:right],
        SIDE_PX,
        0.5,
        Layout(tile_px=64),
    )


def _scn(path: Path) -> None:
    pixels = _pixels(900, 700)
    half = np.asarray(Image.fromarray(pixels).reduce(2))
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, of_page in enumerate((pixels, half, np.full((150, 100, 3), 200, np.uint8))):
            file.write(
                of_page,
                photometric="rgb",
                tile=(256, 256),
                compression="deflate",
                description=leica_xml() if number == 0 else None,
                metadata=None,
            )


def _strips(path: Path) -> None:
    tifffile.imwrite(path, _pixels(), photometric="rgb", compression="lzw", rowsperstrip=32)


def _dicom(path: Path) -> None:
    write_dicom(path, _pixels(384, 256), "1.2.5", "1.2.5.0")


_FORMATS: dict[str, Callable[[Path], None]] = {
    **{
        f"tiles-{codec or 'plain'}.tif": partial(_tiled, compression=codec)
        for codec in (None, "deflate", "lzw", "jpeg", "webp", "jpeg2000", "zstd")
    },
    "aperio.svs": partial(_tiled, compression="jpeg", description=_APERIO),
    "strips.tif": _strips,
    "pyramid.ome.tif": _ome,
    "flat.png": _flat,
    "flat.jpg": partial(_flat, quality=90),
    "leica.scn": _scn,
    "slide.dcm": _dicom,
}


def _slide(name: str, write: Callable[[Path], None]) -> Subject:
    return Subject(f"slide-{name}", lambda folder: write(folder / name), partial(_read, name))


def _make_mask(name: str, folder: Path) -> None:
    if name == "mask.png":
        Image.fromarray(_pixels()[..., 0] > 127).save(folder / name)
        return
    ring = "[[10, 10], [200, 10], [200, 200], [10, 10]]"
    (folder / name).write_text(f'{{"type": "Polygon", "coordinates": [{ring}]}}')


def _read_mask(name: str, folder: Path) -> None:
    slide = folder.parent / "of-masks.png"
    if not slide.is_file():
        _flat(slide)
    inside = read_mask(folder / name, open_slide(slide, 0.5))
    check(so=inside.dtype == bool and inside.ndim == 2, what="no mask")


SLIDES = tuple(_slide(name, write) for name, write in _FORMATS.items())
MASKS = tuple(
    Subject(name, partial(_make_mask, name), partial(_read_mask, name))
    for name in ("mask.png", "mask.geojson")
)
