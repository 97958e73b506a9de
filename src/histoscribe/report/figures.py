"""Pictures inside a page, small enough that the page can be mailed."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.io.thumbnail import thumbnail_jpeg

PAGE_BYTES = 12_000_000  # leaves room for tables below the 15 MB that mail and browsers take well
_WIDTHS_PX = (1400, 1000, 700)


@dataclass(frozen=True)
class Figure:
    """A picture with its name, as a data URI."""

    name: str
    uri: str


def embedded(paths: Sequence[Path], most_bytes: int = PAGE_BYTES) -> tuple[Figure, ...]:
    """Give the pictures as JPEG data URIs of `most_bytes` in all.

    All are made smaller together until they fit; at the smallest width the last are left out.
    """
    for width_px in _WIDTHS_PX:
        figures = [_figure(path, width_px) for path in paths]
        if sum(len(figure.uri) for figure in figures) <= most_bytes:
            break
    kept, used = [], 0
    for figure in figures:
        used += len(figure.uri)
        if used > most_bytes:
            break
        kept.append(figure)
    return tuple(kept)


def _figure(path: Path, width_px: int) -> Figure:
    data = b64encode(thumbnail_jpeg(path, width_px)).decode("ascii")
    return Figure(path.stem, f"data:image/jpeg;base64,{data}")
