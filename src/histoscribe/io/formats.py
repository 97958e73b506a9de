"""Checks of each file format on this machine: write, read back, compare."""

from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import tifffile
from jaxtyping import UInt8

from histoscribe.io.durable_zarr import DurableRows
from histoscribe.io.predictions.anndata import read_prediction, write_prediction
from histoscribe.io.slides import vendor
from histoscribe.io.slides.file_images import ImagePath
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Head, Prediction, Spots

_TILE_PX = 256


def check_openslide() -> str:
    """Versions of the OpenSlide library and of its Python binding."""
    return f"library {openslide.__library_version__}, Python {openslide.__version__}"


def check_jpeg2000() -> str:
    """Encode and decode an image without loss; raises ValueError if pixels changed."""
    pixels = _pattern(64)
    decoded = imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(pixels, reversible=True, level=0))
    _same(pixels, decoded, "JPEG 2000")
    return f"imagecodecs {imagecodecs.__version__}"


def check_tiff(folder: Path) -> str:
    """Read a tile of a JPEG-tiled TIFF through tifffile and through OpenSlide.

    Raises ValueError if the two differ by more than JPEG rounding.
    """
    path = folder / "tiles.tif"
    pixels = _pattern(4 * _TILE_PX)
    tile = (_TILE_PX, _TILE_PX)
    tifffile.imwrite(path, pixels, tile=tile, compression="jpeg", photometric="rgb")
    corner = _TILE_PX // 2
    own = open_slide(path, 0.5).region(corner, corner, corner + _TILE_PX, corner + _TILE_PX)
    other = vendor.read_region(
        ImagePath(path), 0, corner, corner, corner + _TILE_PX, corner + _TILE_PX
    )
    if np.abs(own.astype(int) - other).max() > 4:
        raise ValueError("tifffile and OpenSlide decode one tile differently")
    return f"tifffile {tifffile.__version__}; OpenSlide reads the same pixels"


def check_zarr(folder: Path) -> str:
    """Write rows to a zarr array and read them back."""
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    rows = DurableRows.create(folder / "rows.zarr", (4, 3), 2, {"by": "doctor"})
    for part in rows.chunks:
        rows.write(part, values[part])
    for part in rows.chunks:
        _same(values[part], rows.read(part), "zarr")
    return "4 rows written and read"


def check_h5ad(folder: Path) -> str:
    """Write a prediction as h5ad and read it back."""
    prediction = tiny_prediction()
    write_prediction(prediction, folder / "prediction.h5ad")
    back = read_prediction(folder / "prediction.h5ad")
    _same(prediction.values, back.values, "h5ad")
    return f"{len(back.spots)} spots written and read"


def tiny_prediction() -> Prediction:
    """Small prediction: four spots, 100 um apart, and two genes."""
    xy = np.array([[x, y] for y in (50.0, 150.0) for x in (50.0, 150.0)])
    head = Head(
        section="doctor",
        spots=Spots(("a", "b", "c", "d"), xy, 55.0, 100.0),
        genes=("GAPDH", "ACTB"),
        unit="log",
        predictor="none",
    )
    return Prediction(head, np.arange(8, dtype=np.float32).reshape(4, 2))


def _pattern(side_px: int) -> UInt8[np.ndarray, "side side 3"]:
    """Smooth colours, which JPEG preserves well; a different slope in each channel."""
    y, x = np.mgrid[:side_px, :side_px] * (255 / side_px)
    return np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8)


def _same(written: np.ndarray, read: np.ndarray | None, what: str) -> None:
    if read is None or not np.array_equal(written, read):
        raise ValueError(f"{what}: pixels read differ from pixels written")
