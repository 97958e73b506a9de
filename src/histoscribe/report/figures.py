"""Pictures inside a page, small enough to send the page by mail."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.io.slides.thumbnail import thumbnail_jpegs

PICTURE_BYTES = 1_200_000
"""Limit for the still pictures of a finding or of pathways together."""
OVERLAY_BYTES = 400_000
"""Limit for the pictures of spots on their images; the files of the run have every pixel."""
OVERLAY_WIDTHS_PX = (700, 500, 400)

_WIDTHS_PX = (1400, 1000, 700, 500)


@dataclass(frozen=True)
class Figure:
    """A picture with its name, as a data URI."""

    name: str
    uri: str


def embedded(
    paths: Sequence[Path],
    most_bytes: int = PICTURE_BYTES,
    widths_px: Sequence[int] = _WIDTHS_PX,
) -> tuple[Figure, ...]:
    """Pictures as JPEG data URIs of at most `most_bytes` together.

    All are reduced together until they fit; if the smallest width does not suffice, the last are
    left out.
    """
    sizes = [_figures(path, widths_px) for path in paths]
    fits = (
        [of_path[width] for of_path in sizes]
        for width in range(len(widths_px))
        if sum(len(of_path[width].uri) for of_path in sizes) <= most_bytes
    )
    smallest = [of_path[-1] for of_path in sizes]
    kept, used = [], 0
    for figure in next(fits, smallest):
        used += len(figure.uri)
        if used > most_bytes:
            break
        kept.append(figure)
    return tuple(kept)


def _figures(path: Path, widths_px: Sequence[int]) -> list[Figure]:
    return [
        Figure(path.stem, f"data:image/jpeg;base64,{b64encode(data).decode('ascii')}")
        for data in thumbnail_jpegs(path, widths_px)
    ]
