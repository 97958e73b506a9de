"""Tiles per processor second on a grid of 8 um: pixels read for each tile, and pixels read once.

`python benchmarks/fine_grid.py [--side 6000] [--rows 16]`: a simulated slide of `--side` px at 0.5
um/px in JPEG tiles, of which the first `--rows` grid rows with tissue are read on one thread, in
the order of `predict`. `shrunk` reads tiles of 1 um/px from pixels of 0.5, which are averaged. The
tiles of both ways are compared. The last column has the px read for each px below a tile.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
from _machine import report
from _pyramid import Layout, write_pyramid
from simulated_slide import Glass

from histoscribe.data.grid import lay_grid
from histoscribe.data.tiles import Tiles, tile_reader
from histoscribe.data.tissue import tissue_mask
from histoscribe.io.slides import tiled, vendor
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.slide import TiledSlide, VendorSlide
from histoscribe.simulate.stain import MPP
from histoscribe.types import Section

SPACING_UM, BATCH = 8.0, 16


class CountedSlide(RegionSlide):
    """A slide that counts the px that are read of it."""

    def __init__(self, slide: RegionSlide) -> None:
        super().__init__(slide.path, [(of.width, of.height) for of in slide.levels], slide.mpp)
        self.slide, self.n_px = slide, 0

    def level_pixels(self, level: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Pixels of the slide."""
        self.n_px += (right - left) * (bottom - top)
        return self.slide.level_pixels(level, left, top, right, bottom)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both ways for each reader, compare their tiles, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6000, help="px")
    parser.add_argument("--rows", type=int, default=16, help="of the grid")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        glass = Glass(given.side, seed=0)
        write_pyramid(path, glass.region, (given.side,) * 2, MPP, Layout(in_pages=True))
        slides: dict[str, RegionSlide] = {
            "tifffile": TiledSlide(path, tiled.sizes(path), MPP),
            "openslide": VendorSlide(path, vendor.sizes(path), MPP),
        }
        print("| reader | tiles | tiles/s, each by itself | tiles/s, once | ratio | px per px |")
        print("|---|---|---|---|---|---|")
        figures = {}
        for reader, slide in slides.items():
            for name, tiles in (("", Tiles(224, 0.5)), (" shrunk", Tiles(112, 1.0))):
                # one level only, so that px of 1 um are averaged
                single = CountedSlide(slide)
                single.levels = single.levels[:1]
                figures |= _measured(f"{reader}{name}", single, tiles, given.rows)
    report("fine_grid", spacing_um=SPACING_UM, **figures)


def _measured(name: str, slide: CountedSlide, tiles: Tiles, n_rows: int) -> dict[str, float]:
    mask = tissue_mask(slide)
    grid = lay_grid(slide, mask, SPACING_UM)
    rows = np.unique(grid.row)[:n_rows]
    grid = grid.take(np.isin(grid.row, rows))
    section = Section("slide", None, slide, grid.spots, None)
    look = tiles.slide_look(slide, mask)
    rates, n_px, sums = [], [], []
    for in_grid_order in (False, True):
        slide.n_px = 0
        read = tile_reader(section, tiles, look, in_grid_order=in_grid_order)
        seconds, total = _timed(read, len(grid))
        rates.append(len(grid) / seconds)
        n_px.append(slide.n_px)
        sums.append(total)
    if sums[0] != sums[1]:
        raise SystemExit(f"{name}: the tiles differ")
    under_tiles = _union_px(section, tiles)
    print(
        f"| {name} | {len(grid)} | {rates[0]:.0f} | {rates[1]:.0f} | {rates[1] / rates[0]:.2f} "
        f"| {n_px[0] / under_tiles:.1f}, {n_px[1] / under_tiles:.2f} |",
        flush=True,
    )
    key = name.replace(" ", "_")
    return {f"{key}_ratio": rates[1] / rates[0], f"{key}_px_per_px": n_px[1] / under_tiles}


def _timed(read: Callable, n_tiles: int) -> tuple[float, list[int]]:
    """Processor seconds to read all tiles, and a checksum of each batch."""
    sums, began = [], process_time()
    for start in range(0, n_tiles, BATCH):
        image = read(np.arange(start, min(start + BATCH, n_tiles)))
        sums.append(hash(image.numpy().tobytes()))
    return process_time() - began, sums


def _union_px(section: Section, tiles: Tiles) -> int:
    """Px of the slide that lie under at least one tile."""
    slide = section.slide
    covered = np.zeros((slide.height, slide.width), dtype=bool)
    half = tiles.side_px * tiles.mpp / slide.mpp / 2
    for x, y in section.spots.xy:
        covered[max(int(y - half), 0) : int(y + half), max(int(x - half), 0) : int(x + half)] = True
    return int(covered.sum())


if __name__ == "__main__":
    main()
