"""Peak memory of predicting slides of growing size, above a process that only loads the encoder.

`python benchmarks/predict_memory.py --sides 5000 10000 20000 50000`: simulated slides at 0.5 um/px,
each written and predicted in processes of their own. `--encoder` takes an encoder without weights,
or one whose weights are drawn (`torchvision:squeezenet1_0`): memory and speed are the same.
A ratio of 1 means that the largest slide takes no more than the smallest. `--model stformer` reads
all places of a slide at once: its memory grows with them, and the table says by how much.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from _machine import report
from _predicting import loaded_megabytes, predicted, simulated_slide, train_predictor


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[3000, 6000], help="px")
    parser.add_argument("--spacing-um", type=float, default=100.0)
    parser.add_argument("--encoder", default="torchvision:squeezenet1_0")
    parser.add_argument("--model", default="ridge")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        predictor = train_predictor(Path(name), given.encoder, n_genes=200, model=given.model)
        _measure(predictor, given.sides, given.spacing_um, given.encoder)


def _measure(predictor: Path, sides: Sequence[int], spacing_um: float, encoder: str) -> None:
    folder = predictor.parent
    loaded_mb = loaded_megabytes(predictor)
    print(f"{'side px':>8} {'places':>8} {'minutes':>8} {'tiles/s':>8} {'MB':>8} {'MB beside':>10}")
    beside = []
    for side in sides:
        slide = simulated_slide(folder, side)
        found = predicted(predictor, slide, folder / str(side), spacing_um)
        beside.append(found.peak_mb - loaded_mb)
        print(
            f"{side:8d} {found.n_places:8d} {found.seconds / 60:8.1f} {found.per_second:8.1f} "
            f"{found.peak_mb:8.0f} {beside[-1]:10.0f}",
            flush=True,
        )
        slide.unlink()
    report(
        "predict_memory",
        predictor=predictor.name,
        encoder=encoder,
        loaded_megabytes=loaded_mb,
        largest_side_px=sides[-1],
        largest_beside_megabytes=beside[-1],
        largest_to_smallest_ratio=beside[-1] / beside[0],
    )


if __name__ == "__main__":
    main()
