"""A picture made small enough to travel inside a page."""

from io import BytesIO
from pathlib import Path

from PIL import Image


def thumbnail_jpeg(path: Path, most_px: int) -> bytes:
    """Read a picture and give it as JPEG bytes, at most `most_px` wide or high, never enlarged."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, format="JPEG", quality=85, optimize=True)
    return buffer.getvalue()
