"""Pictures small enough to embed in a page."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def thumbnail_jpegs(path: Path, widths_px: Sequence[int]) -> list[bytes]:
    """Read a picture once and give it as JPEG bytes in several sizes, largest first.

    Each is at most its number of px wide or high; nothing is enlarged.
    """
    with Image.open(path) as image:
        small = image.convert("RGB")
    found = []
    for most_px in widths_px:
        small.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
        found.append(_jpeg(small))
    return found


def jpeg(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Give pixels as JPEG bytes; equal pixels give equal bytes."""
    return _jpeg(Image.fromarray(image))


def through_jpeg(
    image: UInt8[np.ndarray, "height width 3"], quality: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Compress pixels as JPEG of a quality of 1 to 100, and decode them again."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.array(decoded.convert("RGB"))


def plain_png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """Give pixels as PNG bytes that hold nothing but the pixels: no name, date or position.

    Three channels, or four with opacity.
    """
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=85, optimize=True)
    return buffer.getvalue()
