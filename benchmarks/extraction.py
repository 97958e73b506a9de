"""Speed of feature extraction, from a tiled slide to the cache, relative to the bare encoder.

A ratio of 1 means that reading, masking and storing cost nothing compared with the encoder on tiles
in memory. Tiles are read in grid order at the slide's native um/px, through its cached pages.
Everything runs on one core: the ratio includes the thread that reads ahead. The work done once per
slide (hash, tissue) is done before the clock starts. Weights are random: speed does not depend on
them.

Further rows, on the same tiles in memory: memory laid out for convolutions, bfloat16, and OpenVINO
where it is installed, each as a ratio to plain float32 in torch.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import numpy as np
import torch
from _machine import report, seconds
from _pyramid import write_pyramid
from torch import Tensor

from histoscribe.data.features import embed
from histoscribe.data.tiles import Tiles
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Section, Spots

MPP = 0.5
TILE_PX = 224
BATCH = 32
TILES = Tiles(TILE_PX, MPP)
ENCODERS = {
    "squeezenet1_0": "torchvision:squeezenet1_0",
    "resnet50": "torchvision:resnet50",
    "vit_small": "lunit-dino-s16",
    "colour_texture": "colour_texture",
}
N_ACROSS = {False: 16, True: 4}
ROUNDS = {False: 3, True: 1}


def main() -> None:
    """Time all encoders in turns, and print one line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="16 tiles, one round: does it run?")
    options.add_argument("--only", choices=ENCODERS, action="append", help="repeatable")
    given = options.parse_args()
    torch.set_num_threads(1)
    rounds = ROUNDS[given.quick]
    figures: dict[str, float | int | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        sections = _sections(Path(folder), N_ACROSS[given.quick], 1 + rounds)
        batches = _in_memory(sections[0])
        for short in given.only or ENCODERS:
            encoder = _load(ENCODERS[short])
            through = _through(sections[1:], encoder, Path(folder) / short)
            times = seconds(partial(_bare, encoder, batches), through, repeats=rounds)
            n_tiles = len(sections[0].spots)
            figures[f"{short}_bare_tiles_per_second"] = n_tiles / times[0]
            figures[f"{short}_tiles_per_second"] = n_tiles / times[1]
            figures[f"{short}_ratio"] = times[0] / times[1]
            if encoder.record.needs_weights:
                figures |= _other_ways(short, encoder, batches, rounds)
    report("extraction", n_tiles=n_tiles, tile_px=TILE_PX, threads=1, **figures)


def _load(name: str) -> Encoder:
    return load_encoder(name, random_seed=None if name == "colour_texture" else 0)


def _through(sections: Sequence[Section], encoder: Encoder, folder: Path) -> Callable[[], None]:
    """A run of `embed` on a slide without cached pages, into a new cache."""
    looks = [TILES.slide_look(section.slide) for section in sections]
    fresh = count()

    def run() -> None:
        turn = next(fresh)
        slide_look = looks[turn % len(looks)]
        embed(
            sections[turn % len(sections)],
            encoder,
            TILES,
            cache=folder / str(turn),
            slide_look=slide_look,
        )

    return run


def _bare(encoder: Encoder, batches: Sequence[Tensor]) -> None:
    with torch.inference_mode():
        for batch in batches:
            encoder(batch)


def _other_ways(
    short: str, encoder: Encoder, batches: Sequence[Tensor], rounds: int
) -> dict[str, float | int | str]:
    """Ratios to plain float32 on the same tiles: above 1 is faster."""

    def half() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            _bare(encoder, batches)

    packed = [batch.contiguous() for batch in batches]
    ways: dict[str, Callable[[], None]] = {
        "plain": partial(_bare, encoder, packed),
        "channels_last": partial(_bare, encoder, batches),
        "bfloat16": half,
    }
    if find_spec("openvino") is not None:
        for kind in ("f32", "bf16"):
            ways[f"openvino_{kind}"] = _openvino(encoder, packed, kind)
    times = dict(zip(ways, seconds(*ways.values(), repeats=rounds), strict=True))
    return {
        f"{short}_{way}_to_plain": times["plain"] / taken
        for way, taken in times.items()
        if way != "plain"
    }


def _openvino(encoder: Encoder, batches: Sequence[Tensor], kind: str) -> Callable[[], None]:
    """The same net compiled by OpenVINO for one thread, checked against torch's first batch."""
    import openvino

    class Normalised(torch.nn.Module):
        """The encoder without resizing: the tiles already have its side."""

        def forward(self, image: Tensor) -> Tensor:
            return encoder.net((image - encoder.mean) / encoder.std)

    example = batches[0].float()
    net = openvino.convert_model(Normalised().eval(), example_input=example)
    compiled = openvino.Core().compile_model(
        net, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": kind}
    )
    with torch.inference_mode():
        expected = encoder(batches[0])
    found = torch.from_numpy(compiled(example.numpy())[0])
    alike = float(torch.nn.functional.cosine_similarity(expected, found).min())
    if alike < 0.99:
        raise RuntimeError(f"OpenVINO computes something else: cosine {alike}")

    def run() -> None:
        for batch in batches:
            compiled(batch.float().numpy())

    return run


def _in_memory(section: Section) -> list[Tensor]:
    """The same tiles, already decoded, in batches like those of `embed`."""
    slide_look = TILES.slide_look(section.slide)
    pixels = [
        TILES.read(section.slide, slide_look, (float(x), float(y))) for x, y in section.spots.xy
    ]
    return list(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).split(BATCH))


def _sections(folder: Path, n_across: int, n: int) -> list[Section]:
    """One grainy slide, all tissue, as a pyramid of JPEG tiles, opened `n` times."""
    side_px = n_across * TILE_PX
    rng = np.random.default_rng(0)
    grain = rng.random((side_px // 8, side_px // 8, 1)).repeat(8, 0).repeat(8, 1)
    image = (np.array([220, 160, 200]) - grain * np.array([120, 90, 60])).astype(np.uint8)
    path = folder / "slide.tif"
    write_pyramid(
        path,
        lambda left, top, right, bottom: image[top:bottom, left:right],
        (side_px, side_px),
        MPP,
    )
    line = (np.arange(n_across) + 0.5) * TILE_PX
    xy = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    pitch_um = TILE_PX * MPP
    spots = Spots(tuple(map(str, range(len(xy)))), xy, diameter_um=pitch_um, pitch_um=pitch_um)
    sections = [Section("one", "P1", open_slide(path, MPP), spots, None) for _ in range(n)]
    for section in sections:
        section.slide.pixel_hash()
    return sections


if __name__ == "__main__":
    main()
