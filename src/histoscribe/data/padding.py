"""Parts of a picture that were never scanned: black canvas and padding of one flat colour."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from histoscribe.io.slides.resample import Box

_BLACK = 50  # the blue channel of the densest tissue stays above this value at 8 um/px
_SPECK_MM2 = 0.05
_FLAT_SPECK_MM2 = 0.005  # flat padding may be smaller: a corner of the picture, half a lost tile
_PALE = 190  # mean of the channels: glass of her2st has 214 and is as flat
_FLAT = 1  # level between neighbouring px, after JPEG
_ONE_COLOUR = 0.6  # deviation over an area; dim glass is shaded, padding is not
_FILLED = 0.95  # share of its box that a rectangle fills, e.g. a gap between tiles
_WINDOW = (3, 3, 1)
_BAND_ROWS = 256  # the masks do not depend on it


def padding_of(
    image: UInt8[np.ndarray, "height width 3"], mpp: float
) -> Bool[np.ndarray, "height width"]:
    """Find canvas and padding in a picture of `mpp` um/px.

    Canvas is black and at least 0.05 mm2 large. Padding has one flat colour, darker than glass, to
    within what JPEG adds, is at least 0.005 mm2 large, and touches the border of the picture or is
    a rectangle, e.g. of a lost tile. White and pale padding is smooth like glass and needs no rule.
    """
    area = 1e6 / mpp**2  # px of one mm2
    canvas = without_specks(image.max(axis=2) < _BLACK, _SPECK_MM2 * area)
    return canvas | _flat_padding(image, area)


def covered(
    shape: tuple[int, int], px: tuple[float, float], boxes: Sequence[Box]
) -> Bool[np.ndarray, "height width"]:
    """Px of a mask (each `px` level-0 px wide and high) that boxes cover, even in part."""
    inside = np.zeros(shape, dtype=bool)
    for box in boxes:
        rows = slice(math.floor(box.top / px[1]), math.ceil(box.bottom / px[1]))
        columns = slice(math.floor(box.left / px[0]), math.ceil(box.right / px[0]))
        inside[rows, columns] = True
    return inside


def without_specks(
    mask: Bool[np.ndarray, "height width"], area_px: float
) -> Bool[np.ndarray, "height width"]:
    """Drop connected parts with fewer px."""
    label, _ = ndimage.label(mask)
    # band by band: bincount makes 8 bytes per px, and large slides have very many
    size = np.zeros(label.max() + 1, dtype=np.int64)
    for rows in bands(label.shape[0]):
        size += np.bincount(label[rows].ravel(), minlength=len(size))
    keep = size >= area_px
    keep[0] = False
    return keep[label]


def bands(height: int) -> Iterator[slice]:
    """Rows of an image in bands, so that memory besides the result does not grow with it."""
    return (slice(top, min(top + _BAND_ROWS, height)) for top in range(0, height, _BAND_ROWS))


def _flat_padding(
    image: UInt8[np.ndarray, "height width 3"], px_per_mm2: float
) -> Bool[np.ndarray, "height width"]:
    """Connected flat parts of one dark colour, with the ring of px that the flatness test loses."""
    label, n_parts = ndimage.label(_flat(image))
    if n_parts == 0:
        return np.zeros(label.shape, dtype=bool)
    size = np.bincount(label.ravel(), minlength=n_parts + 1).clip(1)
    at_border = np.zeros(n_parts + 1, dtype=bool)
    for line in (label[0], label[-1], label[:, 0], label[:, -1]):
        at_border[line] = True
    sides = [[part.stop - part.start for part in box] for box in ndimage.find_objects(label)]
    area = [0, *(height * width for height, width in sides)]
    keep = (at_border | (size > _FILLED * np.array(area))) & (size >= _FLAT_SPECK_MM2 * px_per_mm2)
    keep &= _spread(image, label, size) <= _ONE_COLOUR
    keep[0] = False
    return ndimage.binary_dilation(keep[label], np.ones((3, 3), dtype=bool))


def _flat(image: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    """Px darker than glass that differ from no neighbour by more than a level."""
    flat = np.empty(image.shape[:2], dtype=bool)
    for rows in bands(len(flat)):
        first = max(rows.start - 1, 0)
        around = image[first : rows.stop + 1]
        apart = ndimage.maximum_filter(around, _WINDOW) - ndimage.minimum_filter(around, _WINDOW)
        smooth = (apart.max(axis=2) <= _FLAT) & (around.mean(axis=2) < _PALE)
        flat[rows] = smooth[rows.start - first :][: rows.stop - rows.start]
    return flat


def _spread(
    image: UInt8[np.ndarray, "height width 3"],
    label: Int[np.ndarray, "height width"],
    size: Int[np.ndarray, " parts"],
) -> Float[np.ndarray, " parts"]:
    """Largest deviation of a channel over each part."""
    spread = np.zeros(len(size))
    for channel in np.moveaxis(image, 2, 0):
        values = channel.ravel().astype(np.float64)
        mean = np.bincount(label.ravel(), values, len(size)) / size
        square = np.bincount(label.ravel(), values**2, len(size)) / size
        spread = np.maximum(spread, np.sqrt(np.maximum(square - mean**2, 0.0)))
    return spread
