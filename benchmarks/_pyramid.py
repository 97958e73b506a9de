"""Writing a whole slide: JPEG tiles in halving levels, streamed, with its um/px."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from jaxtyping import UInt8

from histoscribe.io.atomic import replacing
from histoscribe.io.slides.resample import Region
from histoscribe.progress import track

_SMALLEST_PX = 1024
"""Levels are halved until the longer side is at most this."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels are stored."""

    tile_px: int = 256
    """Side of a tile; a multiple of 16."""
    quality: int = 85
    """Of the JPEG tiles, 1..100."""
    in_pages: bool = False
    """Levels as pages one after the other, as older readers and OpenSlide look for them, in place
    of SubIFDs of an OME-TIFF."""

    def __post_init__(self) -> None:
        if self.tile_px < 16 or self.tile_px % 16:
            raise ValueError(f"the side of a TIFF tile is a multiple of 16 px: {self.tile_px}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG quality is 1 to 100: {self.quality}")


def write_pyramid(
    path: Path, region: Region, size: tuple[int, int], mpp: float, layout: Layout | None = None
) -> None:
    """Write an RGB image of any size as a tiled pyramid, with memory for a few rows of tiles.

    `region(left, top, right, bottom)` gives pixels inside the image; each is asked for once, row
    of tiles by row of tiles. Every px of a level is the mean of the four below it; the odd one at
    the border counts twice. Levels wait uncompressed in a temporary folder beside `path` (a third
    of width x height x 3 bytes). Equal input is equal bytes.

    Raises ValueError for an empty image or a um/px that is not above 0.
    """
    if min(size) < 1 or not mpp > 0:
        raise ValueError(f"a slide needs px and um/px above 0: {size}, {mpp}")
    layout = layout or Layout()
    sizes = _halved(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=path.parent, prefix=".histoscribe-") as waiting,
        replacing(path) as temporary,
        # 32-bit offsets end at 4 GiB; what the JPEG tiles will take is not known before
        tifffile.TiffWriter(temporary, bigtiff=size[0] * size[1] > 1 << 30) as writer,
    ):
        for number, (width, height) in enumerate(sizes):
            below = _Halves(sizes[number + 1], Path(waiting)) if number + 1 < len(sizes) else None
            rows = _rows(region, (width, height), layout.tile_px)
            writer.write(
                _tiles(track(rows, f"level {number}", -(-height // layout.tile_px)), below, layout),
                shape=(height, width, 3),
                dtype=np.uint8,
                **_stored(layout, mpp * 2**number),
                **_place(number, sizes, mpp, layout),
            )
            if below is not None:
                region = below.region


def _halved(size: tuple[int, int]) -> list[tuple[int, int]]:
    sizes = [size]
    while max(sizes[-1]) > _SMALLEST_PX and min(sizes[-1]) > 1:
        width, height = sizes[-1]
        sizes.append((-(-width // 2), -(-height // 2)))
    return sizes


def _stored(layout: Layout, mpp: float) -> dict[str, Any]:
    return {
        "photometric": "rgb",
        "tile": (layout.tile_px, layout.tile_px),
        "compression": "jpeg",
        "compressionargs": {"level": layout.quality},
        "resolution": (10_000 / mpp, 10_000 / mpp),
        "resolutionunit": "CENTIMETER",
        "software": "histoscribe",
        "maxworkers": 1,  # more would read ahead without bound
    }


def _place(number: int, sizes: list[tuple[int, int]], mpp: float, layout: Layout) -> dict[str, Any]:
    """How tifffile is told where a level belongs."""
    reduced = {"subfiletype": 1, "metadata": None}
    if layout.in_pages:
        return reduced if number else {"metadata": None}
    if number:
        return reduced
    # tifffile's own OME-XML holds a random id, by which equal slides would differ
    return {
        "description": _ome_xml(sizes[0], mpp).encode(),
        "metadata": None,
        "subifds": len(sizes) - 1,
    }


def _ome_xml(size: tuple[int, int], mpp: float) -> str:
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<OME xmlns="{schema}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{schema} {schema}/ome.xsd" Creator="histoscribe">'
        '<Image ID="Image:0" Name="slide"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="uint8" SizeX="{size[0]}" SizeY="{size[1]}" SizeC="3" SizeZ="1" SizeT="1" '
        f'Interleaved="true" PhysicalSizeX={quoteattr(repr(mpp))} PhysicalSizeXUnit="µm" '
        f'PhysicalSizeY={quoteattr(repr(mpp))} PhysicalSizeYUnit="µm">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="3"><LightPath/></Channel>'
        '<TiffData IFD="0" PlaneCount="1"/></Pixels></Image></OME>'
    )


def _rows(
    region: Region, size: tuple[int, int], tile_px: int
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    width, height = size
    for top in range(0, height, tile_px):
        yield region(0, top, width, min(top + tile_px, height))


def _tiles(
    rows: Iterator[UInt8[np.ndarray, "height width 3"]], below: "_Halves | None", layout: Layout
) -> Iterator[UInt8[np.ndarray, "P P 3"]]:
    """Cut rows into tiles, the last ones filled up with the px at the border.

    White there would ring into the picture through JPEG's blocks.
    """
    side = layout.tile_px
    for row in rows:
        if below is not None:
            below.add(row)
        full = np.pad(row, ((0, -row.shape[0] % side), (0, -row.shape[1] % side), (0, 0)), "edge")
        for left in range(0, full.shape[1], side):
            yield np.ascontiguousarray(full[:, left : left + side])


class _Halves:
    """The next level, put on disk while the one above is written."""

    def __init__(self, size: tuple[int, int], folder: Path) -> None:
        self._width = size[0]
        self._file = folder / f"{size[0]}x{size[1]}"

    def add(self, row: UInt8[np.ndarray, "height width 3"]) -> None:
        even = np.pad(row, ((0, row.shape[0] % 2), (0, row.shape[1] % 2), (0, 0)), "edge")
        total = even[0::2].astype(np.uint16) + even[1::2]
        half = ((total[:, 0::2] + total[:, 1::2] + 2) >> 2).astype(np.uint8)
        with self._file.open("ab") as file:
            file.write(half.tobytes())

    def region(
        self, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "height width 3"]:
        # read, not mapped: mapped pages would count as memory held
        stride = self._width * 3
        rows = np.fromfile(
            self._file, dtype=np.uint8, count=(bottom - top) * stride, offset=top * stride
        )
        return rows.reshape(bottom - top, self._width, 3)[:, left:right]
