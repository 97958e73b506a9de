"""Cost of stain options: reading tiles normalised or jittered, relative to unchanged tiles.

Run alone: `python benchmarks/stain.py`. A ratio of 1 means no cost.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from _machine import report, seconds
from PIL import Image

from histoscribe.data.jitter import HedJitter
from histoscribe.data.stain import TissueColour
from histoscribe.data.tiles import SlideLook, Tiles, tile_batches
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Section, Spots

SIDE_PX, TILE_PX, MPP, N_ACROSS = 2048, 224, 0.69, 10
COLOUR = TissueColour((-0.37, -0.06, 0.004), (0.22, 0.05, 0.007))
REFERENCE = TissueColour((-0.43, -0.08, 0.0), (0.23, 0.05, 0.007))


def main() -> None:
    """Time the three in turns and print one line of JSON."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        section = _section(Path(folder))
        plain = Tiles(TILE_PX, MPP, white_off_tissue=False)
        mask = Tiles(TILE_PX, MPP).slide_look(section.slide).mask
        normalised = Tiles(TILE_PX, MPP, white_off_tissue=False, stain=REFERENCE)
        jittered = Tiles(
            TILE_PX, MPP, white_off_tissue=False, jitter=HedJitter(0.05, 0, "hed-benchmark-1")
        )
        as_is, reinhard, hed = seconds(
            lambda: _read(section, plain, SlideLook(None)),
            lambda: _read(section, normalised, SlideLook(mask, COLOUR)),
            lambda: _read(section, jittered, SlideLook(None)),
        )
    n_tiles = N_ACROSS**2
    report(
        "stain",
        n_tiles=n_tiles,
        tile_px=TILE_PX,
        reinhard_ms_per_tile=1000 * (reinhard - as_is) / n_tiles,
        hed_ms_per_tile=1000 * (hed - as_is) / n_tiles,
        reinhard_ratio=as_is / reinhard,
        hed_ratio=as_is / hed,
    )


def _read(section: Section, tiles: Tiles, slide_look: SlideLook) -> None:
    for _ in tile_batches(section, tiles, np.split(np.arange(N_ACROSS**2), 5), slide_look):
        pass


def _section(folder: Path) -> Section:
    """A picture of grainy tissue, and spots on a grid."""
    rng = np.random.default_rng(0)
    grain = rng.random((SIDE_PX // 8, SIDE_PX // 8)).repeat(8, 0).repeat(8, 1)[..., None]
    image = np.array([215, 150, 195]) - grain * np.array([120, 90, 60])
    path = folder / "tissue.png"
    Image.fromarray((image + rng.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)).save(
        path
    )
    line = np.linspace(TILE_PX, SIDE_PX - TILE_PX, N_ACROSS)
    xy = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    spots = Spots(tuple(map(str, range(len(xy)))), xy, diameter_um=55.0, pitch_um=100.0)
    return Section("one", "P1", open_slide(path, MPP), spots, None)


if __name__ == "__main__":
    main()
