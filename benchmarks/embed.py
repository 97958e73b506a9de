"""Speed of feature extraction, from slide to cache, beside the bare encoder on tiles in memory.

A ratio of 1 means that reading, masking and storing cost nothing beside the encoder.
"""

import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import torch
from _machine import report, seconds
from PIL import Image

from histoscribe.data.features import features
from histoscribe.data.tiles import Tiles
from histoscribe.io.slide import open_slide
from histoscribe.models.encoder import Encoder, load_encoder
from histoscribe.types import Section, Spots

SIDE_PX = 4096
MPP = 0.69
N_ACROSS = 16
TILES = Tiles(224, MPP)


def main() -> None:
    """Time both in turns for two encoders, and print one line of JSON."""
    torch.set_num_threads(1)  # one core each way: the reader's thread is part of the ratio
    with tempfile.TemporaryDirectory() as folder:
        section = _section(Path(folder))
        figures: dict[str, float] = {}
        encoders = {
            "squeezenet": load_encoder("torchvision:squeezenet1_0", random_seed=0),
            "colour_texture": load_encoder("colour_texture"),
        }
        for name, encoder in encoders.items():
            bare, through = _seconds(section, encoder, Path(folder) / name)
            figures[f"{name}_tiles_per_second"] = len(section.spots) / through
            figures[f"{name}_bare_tiles_per_second"] = len(section.spots) / bare
            figures[f"{name}_ratio"] = bare / through
        report("embed", n_tiles=len(section.spots), tile_px=TILES.side_px, **figures)


def _seconds(section: Section, encoder: Encoder, folder: Path) -> list[float]:
    look = TILES.look(section.slide)
    pixels = [TILES.read(section.slide, look, (float(x), float(y))) for x, y in section.spots.xy]
    batches = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).split(32)
    fresh = count()

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                encoder(batch)

    def through() -> None:
        features(section, encoder, TILES, cache=folder / str(next(fresh)))

    return seconds(bare, through)


def _section(folder: Path) -> Section:
    """A grainy image, all tissue, as a JPEG; it is decoded once, before the clock starts."""
    rng = np.random.default_rng(0)
    grain = rng.random((SIDE_PX // 8, SIDE_PX // 8, 1)).repeat(8, 0).repeat(8, 1)
    image = (np.array([220, 160, 200]) - grain * np.array([120, 90, 60])).astype(np.uint8)
    Image.fromarray(image).save(folder / "slide.jpg", quality=90)
    line = np.linspace(0.05, 0.95, N_ACROSS) * SIDE_PX
    xy = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    spots = Spots(tuple(map(str, range(len(xy)))), xy, diameter_um=55.0, pitch_um=100.0)
    return Section("one", "P1", open_slide(folder / "slide.jpg", MPP), spots, None)


if __name__ == "__main__":
    main()
