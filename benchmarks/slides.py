"""Tiles per second of each reader of whole slides, at random positions and in grid order.

`python benchmarks/slides.py [--slide FILE] [--tile 224] [--seconds 5]`. Without a file it writes
a simulated slide in JPEG tiles with its levels in pages, which tifffile and OpenSlide both read.
Tiles of `--tile` px are read at level 0 on one thread; ratios are to OpenSlide.
"""

import argparse
from collections.abc import Iterable, Sequence
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from _machine import report
from _pyramid import Layout, write_pyramid
from simulated_slide import Glass

from histoscribe.io.slides import tiled, vendor
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.slide import TiledSlide, VendorSlide, image_mpp
from histoscribe.seed import stream
from histoscribe.simulate.stain import MPP

TARGET_PER_SECOND = 900
SIDE_PX = 12_000
"""Side of the slide: far larger than the cache of decoded tiles."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every way, check that the pixels are the same, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide", type=Path, help="a TIFF or SVS; without it, one is simulated")
    parser.add_argument("--tile", type=int, default=224, help="px")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each way and order")
    given = parser.parse_args(arguments)
    tiled.CACHE.most_bytes = (
        vendor.CACHE_BYTES
    )  # the same for both, and small compared with the slide
    with TemporaryDirectory() as folder:
        path = given.slide or _simulated(Path(folder))
        mpp = image_mpp(path) or MPP
        ways: dict[str, RegionSlide] = {
            "openslide": VendorSlide(path, vendor.sizes(path), mpp),
            "tifffile": TiledSlide(path, tiled.sizes(path), mpp),
        }
        figures: dict[str, float | int] = {}
        for order, centres in _orders(ways["tifffile"], given.tile).items():
            rates = {way: _rate(ways[way], centres, given.tile, given.seconds) for way in ways}
            for way, (per_second, per_cpu_second) in rates.items():
                figures[f"{way}_{order}_tiles_per_second"] = per_second
                figures[f"{way}_{order}_tiles_per_cpu_second"] = per_cpu_second
            figures[f"{order}_ratio"] = rates["tifffile"][1] / rates["openslide"][1]
        report(
            "slides",
            tile_px=given.tile,
            target_per_second=TARGET_PER_SECOND,
            largest_difference=_apart(ways, given.tile),
            **figures,
        )


def _simulated(folder: Path) -> Path:
    path = folder / "slide.tif"
    layout = Layout(in_pages=True)
    write_pyramid(path, Glass(SIDE_PX, seed=0).region, (SIDE_PX, SIDE_PX), MPP, layout)
    return path


def _orders(slide: RegionSlide, side_px: int) -> dict[str, list[tuple[float, float]]]:
    """Centres of tiles that lie inside the slide: at random, and side by side in rows."""
    half, rng = side_px / 2, stream(0, "tiles")
    x = rng.uniform(half, slide.width - half, 20_000)
    y = rng.uniform(half, slide.height - half, 20_000)
    rows = np.arange(half, slide.height - half, side_px)
    columns = np.arange(half, slide.width - half, side_px)
    return {
        "random": [(float(a), float(b)) for a, b in zip(x, y, strict=True)],
        "grid": [(float(a), float(b)) for b, a in product(rows, columns)],
    }


def _rate(
    slide: RegionSlide, centres: Iterable[tuple[float, float]], side_px: int, most_seconds: float
) -> tuple[float, float]:
    """Tiles per second of wall time and of processor time, until time or tiles end."""
    n_tiles, wall, cpu = 0, perf_counter(), process_time()
    for xy in centres:
        slide.read(xy, side_px, slide.mpp)
        n_tiles += 1
        if perf_counter() - wall > most_seconds:
            break
    return n_tiles / (perf_counter() - wall), n_tiles / (process_time() - cpu)


def _apart(ways: dict[str, RegionSlide], side_px: int) -> int:
    """Largest difference of any px between the readers, over a hundred random tiles."""
    centres = islice(_orders(ways["tifffile"], side_px)["random"], 100)
    return max(
        int(
            np.abs(
                np.subtract(
                    *(slide.read(xy, side_px, slide.mpp).astype(int) for slide in ways.values())
                )
            ).max()
        )
        for xy in centres
    )


if __name__ == "__main__":
    main()
