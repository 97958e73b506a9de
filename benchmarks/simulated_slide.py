"""A simulated whole slide: pieces of H&E tissue on white glass, as a JPEG pyramid.

`python benchmarks/simulated_slide.py --side 40000 --out slide.ome.tif`: 20 mm at 0.5 um/px. A few
distinct pieces are drawn and laid down turned and mirrored, about half of the places empty. The
same side and seed give the same bytes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from _machine import report
from _pyramid import Layout, write_pyramid

from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.seed import stream
from histoscribe.simulate.nuclei import draw_nuclei
from histoscribe.simulate.patients import draw_patient
from histoscribe.simulate.stain import MPP, render
from histoscribe.simulate.tissue import OUTSIDE, draw_tissue, motif_frequency

GLASS = 243
"""Grey level of bare glass."""
N_DISTINCT = 3
COVERED = 0.55
"""Share of positions with a piece."""
N_SPOTS = 160
"""Size of a piece, about 2,800 px across."""


@dataclass(frozen=True)
class Laid:
    """A piece of tissue and where its upper left corner lies."""

    pixels: np.ndarray
    tissue: np.ndarray
    left: int
    top: int


class Glass:
    """A slide of pieces, drawn a rectangle at a time."""

    def __init__(self, side_px: int, seed: int, n_spots: int = N_SPOTS) -> None:
        drawn = [_piece(seed, number, n_spots) for number in range(N_DISTINCT)]
        self.side_px = side_px
        self.laid = _lay(drawn, side_px, stream(seed, "glass"))

    def region(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Give the pixels of a rectangle inside the slide."""
        out = np.full((bottom - top, right - left, 3), GLASS, dtype=np.uint8)
        for piece in self.laid:
            height, width = piece.tissue.shape
            x0, x1 = max(left, piece.left), min(right, piece.left + width)
            y0, y1 = max(top, piece.top), min(bottom, piece.top + height)
            if x0 < x1 and y0 < y1:
                here = np.s_[y0 - piece.top : y1 - piece.top, x0 - piece.left : x1 - piece.left]
                there = out[y0 - top : y1 - top, x0 - left : x1 - left]
                np.copyto(there, piece.pixels[here], where=piece.tissue[here][..., None])
        return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the slide, and print its size, its time and the most memory held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4000, help="px")
    parser.add_argument("--out", type=Path, help="file to write; without it, a temporary one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tile", type=int, default=256, help="px")
    parser.add_argument("--pages", action="store_true", help="levels in pages, not in SubIFDs")
    given = parser.parse_args(arguments)
    layout = Layout(tile_px=given.tile, in_pages=given.pages)
    with TemporaryDirectory() as folder:
        out = given.out or Path(folder) / "slide.ome.tif"
        start = perf_counter()
        glass = Glass(given.side, given.seed)
        drawn = perf_counter()
        write_pyramid(out, glass.region, (given.side, given.side), MPP, layout)
        written = perf_counter()
        slide = open_whole_slide(out)
        report(
            "simulated_slide",
            side_px=slide.width,
            n_levels=len(slide.levels),
            megabytes=out.stat().st_size / 1e6,
            seconds=written - start,
            drawing_to_writing_ratio=(drawn - start) / (written - drawn),
            peak_megabytes=getrusage(RUSAGE_SELF).ru_maxrss / 1e3,
        )


def _piece(seed: int, number: int, n_spots: int) -> tuple[np.ndarray, np.ndarray]:
    patient = draw_patient("slide", seed)
    tissue = draw_tissue(
        patient.mix,
        n_spots,
        motif_frequency(stream(seed, "motifs")),
        stream(seed, f"tissue-piece-{number}"),
    )
    nuclei = draw_nuclei(tissue, stream(seed, f"nuclei-piece-{number}"))
    pixels = render(tissue, nuclei, patient, stream(seed, f"stain-piece-{number}"))
    inside = tissue.compartment != OUTSIDE
    per_cell = pixels.shape[0] // inside.shape[0]
    return pixels, inside.repeat(per_cell, axis=0).repeat(per_cell, axis=1)


def _lay(
    drawn: list[tuple[np.ndarray, np.ndarray]], side_px: int, rng: np.random.Generator
) -> list[Laid]:
    """One position per square of a grid, with a piece in some of them."""
    longest = max(max(tissue.shape) for _, tissue in drawn)
    n_across = max(1, side_px // (longest + 200))
    place = side_px / n_across
    covered = rng.random((n_across, n_across)) < COVERED
    covered[n_across // 2, n_across // 2] = True
    laid = []
    for row, column in np.argwhere(covered):
        pixels, tissue = drawn[rng.integers(len(drawn))]
        turns, mirrored = rng.integers(4), rng.random() < 0.5
        pixels, tissue = np.rot90(pixels, turns), np.rot90(tissue, turns)
        if mirrored:
            pixels, tissue = pixels[:, ::-1], tissue[:, ::-1]
        spare = np.maximum(place - np.array(tissue.shape[::-1]), 0.0)
        left, top = (np.array([column, row]) * place + rng.random(2) * spare).astype(int)
        laid.append(Laid(pixels, tissue, int(left), int(top)))
    return laid


if __name__ == "__main__":
    main()
