"""What the question `where` costs: steps of integrated gradients, a sheet of tiles, cached maps.

`python benchmarks/where.py` measures, on random weights and pixels, which take the same time as
any: how many forward passes of SqueezeNet one step of integrated gradients takes; all methods over
32 tiles of 224 px, against white and against blurred tiles; and maps of two bag models (`abmil`, as
published) from the features of a section of 2,000 spots, with all numbers by chance, deletion and
figure. Several tiles are computed side by side on all cores.

`--quick` shows in seconds that it runs.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import scipy.sparse as sp
import torch
from _machine import report, seconds

from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.explain.run import explain
from histoscribe.explain.where.attribution import (
    FIRST_STEPS,
    Attribution,
    attributions,
    integrated_gradients,
)
from histoscribe.io.slides.array import ArraySlide
from histoscribe.threads import fixed_threads
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

TILE_PX = 224
_SPACING_PX = 16  # between spots: tiles overlap, which costs nothing once their features are cached


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    n_tiles, n_spots = (1, 144) if quick else (32, 2025)
    encoder = load_encoder("torchvision:squeezenet1_0", random_seed=0)
    figures = {
        "passes a step": passes_of_a_step(encoder, n_rounds=1 if quick else 5),
        **times_of_tiles(encoder, n_tiles),
        f"maps of {n_spots} cached spots, s": time_of_maps(n_spots),
    }
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")
    report("where", **figures)


def passes_of_a_step(encoder: Encoder, n_rounds: int) -> float:
    """Time of one step of integrated gradients, in forward passes without gradients."""
    tile = tiles(1)
    batch = tile.expand(16, -1, -1, -1).contiguous()

    def forward() -> None:
        with torch.no_grad():
            encoder(batch)

    def steps() -> None:
        integrated_gradients(encoder, tile, torch.full_like(tile, 255.0), 0, FIRST_STEPS)

    with fixed_threads():
        one, many = seconds(forward, steps, repeats=n_rounds)
    return (many / FIRST_STEPS) / (one / len(batch))


def times_of_tiles(encoder: Encoder, n_tiles: int) -> dict[str, float]:
    """Seconds of all methods over some tiles, and the completeness errors."""
    weight = torch.randn(encoder.width, 1, generator=torch.Generator().manual_seed(0))

    def gene(image: torch.Tensor) -> torch.Tensor:
        return encoder(image) @ weight

    start = perf_counter()
    found = attributions(gene, [encoder], tiles(n_tiles), 1)
    taken = perf_counter() - start
    return {
        f"all methods over {n_tiles} tiles, s": taken,
        **{f"completeness error, {one.baseline}": _error(one) for one in found[:2]},
        **{f"steps, {one.baseline}": float(one.n_steps or 0) for one in found[:2]},
    }


def _error(one: Attribution) -> float:
    return float("nan") if one.error is None else float(one.error.mean())


def time_of_maps(n_spots: int) -> float:
    """Seconds of the question about two bag models, once the features are in the cache."""
    cohort = Cohort([_entry(number, n_spots) for number in range(3)])
    with TemporaryDirectory() as folder:
        members = [_trained(cohort, Path(folder), seed) for seed in range(2)]
        quick = {"genes": "G0", "section": "S2", "attribution": False}
        explain("where", members, cohort, **quick)  # features go to the cache
        start = perf_counter()
        explain("where", members, cohort, **quick)
        return perf_counter() - start


def tiles(n_tiles: int) -> torch.Tensor:
    """Smooth random tiles: noise of each pixel would be no tissue."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand((n_tiles, 3, 28, 28), generator=rng) * 255
    return torch.nn.functional.interpolate(coarse, size=TILE_PX, mode="bilinear")


def _entry(number: int, n_spots: int) -> CohortEntry:
    section = _section(number, n_spots)
    return CohortEntry(section.id, section.patient, lambda: section)


def _section(number: int, n_spots: int) -> Section:
    rng, side = np.random.default_rng(number), int(np.sqrt(n_spots))
    pixels = rng.integers(60, 240, (side * _SPACING_PX,) * 2 + (3,)).astype(np.uint8)
    cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    name, genes = f"S{number}", tuple(f"G{gene}" for gene in range(50))
    spots = Spots(
        tuple(f"{name}-{row}" for row in range(side**2)),
        (cells + 0.5) * _SPACING_PX,
        float(_SPACING_PX),
        float(_SPACING_PX),
    )
    counts = rng.poisson(5.0, (side**2, len(genes))).astype(np.float64)
    slide = ArraySlide(name, pixels, 1.0)
    return Section(name, f"P{number}", slide, spots, Counts(sp.csr_matrix(counts), genes, genes))


def _trained(cohort: Cohort, folder: Path, seed: int) -> object:
    genes = [f"G{gene}" for gene in range(50)]
    table = {
        "cohort": "memory",
        "seed": seed,
        "models": ["abmil"],
        "target": {"panel": "list", "genes": genes, "transform": "cp10k-log1p"},
        "inputs": {"tile_px": 64, "mpp": 1.0, "white_off_tissue": False},
        "train": {"epochs": 1},
        "run": {"device": "cpu"},
    }
    return train(
        cohort.subset(cohort.ids[:-1]),
        settings=parse_settings(table, "settings of the benchmark"),
        out=folder / str(seed),
    )


if __name__ == "__main__":
    main()
