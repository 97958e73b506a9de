"""Tiles per second and minutes per slide of `predict`, by encoder and number of genes.

`python benchmarks/throughput.py [--side N | --slide FILE] [--encoders NAME...] [--genes N...]`: one
simulated slide at 0.5 um/px, a place every 100 um, each row in a process of its own. Weights are
random: speed does not depend on them. The time is of the whole order: tissue, grid, tiles, encoder,
model, files. The last figure is the speed with most genes to that with fewest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from _machine import report
from _predicting import predicted, simulated_slide, train_predictor

ENCODERS = ("colour_texture", "torchvision:squeezenet1_0")
GENES = (50, 250)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=3000, help="px")
    parser.add_argument("--slide", type=Path, help="in place of a new one")
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    parser.add_argument("--genes", type=int, nargs="+", default=GENES)
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        slide = given.slide or simulated_slide(Path(name), given.side)
        _measure(Path(name), slide, given.encoders, sorted(given.genes))


def _measure(folder: Path, slide: Path, encoders: Sequence[str], genes: Sequence[int]) -> None:
    print("| encoder | genes | tiles | tiles/s | minutes |\n|---|---|---|---|---|")
    for encoder in encoders:
        speeds = []
        for n_genes in genes:
            predictor = train_predictor(folder, encoder, n_genes)
            found = predicted(predictor, slide, folder / predictor.name / "out", 100.0)
            speeds.append(found.per_second)
            print(
                f"| {encoder} | {n_genes} | {found.n_places} | {speeds[-1]:.1f} "
                f"| {found.seconds / 60:.2f} |",
                flush=True,
            )
    report(
        "throughput",
        encoder=encoders[-1],
        n_tiles=found.n_places,
        most_to_fewest_genes_speed_ratio=speeds[-1] / speeds[0],
    )


if __name__ == "__main__":
    main()
