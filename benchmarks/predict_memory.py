"""Peak memory of predicting slides of growing size, beside a process that only loads the encoder.

`python benchmarks/predict_memory.py --sides 5000 10000 20000 50000`: simulated slides at 0.5 um/px,
each written and predicted in processes of their own. `--encoder` takes an encoder without weights,
or one whose weights are drawn (`torchvision:squeezenet1_0`): memory and speed are the same.
A ratio of 1 means that the largest slide takes no more than the smallest.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from _machine import report

SCRIPTS = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[3000, 6000], help="px")
    parser.add_argument("--spacing-um", type=float, default=100.0)
    parser.add_argument("--encoder", default="torchvision:squeezenet1_0")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        _child(given.child)
        return
    with TemporaryDirectory() as name:
        _measure(Path(name), given.sides, given.spacing_um, given.encoder)


def _measure(folder: Path, sides: Sequence[int], spacing_um: float, encoder: str) -> None:
    predictor = _train(folder, encoder)
    (loaded_mb, *_) = _run("load", predictor)
    print(f"{'side px':>8} {'places':>8} {'minutes':>8} {'tiles/s':>8} {'MB':>8} {'MB beside':>10}")
    beside = []
    for side in sides:
        slide = folder / f"slide-{side}.ome.tif"
        command = [sys.executable, SCRIPTS / "simulated_slide.py", "--side", str(side)]
        subprocess.run([*command, "--out", slide], check=True, stdout=subprocess.DEVNULL)
        out = folder / str(side)
        peak_mb, n_places, seconds = _run("predict", predictor, slide, out, spacing_um)
        beside.append(peak_mb - loaded_mb)
        print(
            f"{side:8d} {n_places:8.0f} {seconds / 60:8.1f} {n_places / seconds:8.1f} "
            f"{peak_mb:8.0f} {beside[-1]:10.0f}",
            flush=True,
        )
        slide.unlink()
    report(
        "predict_memory",
        encoder=encoder,
        loaded_megabytes=loaded_mb,
        largest_side_px=sides[-1],
        largest_beside_megabytes=beside[-1],
        largest_to_smallest_ratio=beside[-1] / beside[0],
    )


def _run(*child: object) -> list[float]:
    """Numbers that a process of its own prints last."""
    command = [sys.executable, __file__, "--child", *map(str, child)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split("\n")[-2].split()]


def _child(words: Sequence[str]) -> None:
    from histoscribe.train.predictor import load_predictor  # only a child needs torch

    what, predictor, *rest = words
    if what == "load":
        _ = load_predictor(predictor).encoder
        print(_peak_megabytes())
        return
    from histoscribe.predict.targets import Order, predict

    slide, out, spacing_um = rest
    order = Order(
        predictor=Path(predictor), targets=(slide,), out=Path(out), spacing_um=float(spacing_um)
    )
    began = perf_counter()
    ((_, done),) = predict(order)
    print(_peak_megabytes(), done.n_places, perf_counter() - began)


def _peak_megabytes() -> float:
    """Most memory this process ever held; what its parent held does not count."""
    status = Path("/proc/self/status").read_text().split("\n")
    (line,) = (line for line in status if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1e3


def _train(folder: Path, encoder: str) -> Path:
    from histoscribe.simulate.cohort import simulate
    from histoscribe.train.config import parse_settings
    from histoscribe.train.run import train

    cohort = simulate(folder / "cohort", n_patients=2, spots_per_section=40, genes_per_family=40)
    weights = "random" if ":" in encoder else "file"
    settings = parse_settings(
        {
            "cohort": str(cohort),
            "models": ["ridge"],
            "target": {"n_genes": 200},
            "inputs": {"tile_px": 224, "mpp": 0.5, "encoder": encoder, "weights": weights},
            "run": {"device": "cpu"},
        },
        "benchmark settings",
    )
    train(settings, folder / "predictor", cache=folder / "cache", weights={})
    return folder / "predictor"


if __name__ == "__main__":
    main()
