"""Shared parts of the scripts about prediction: a predictor, a slide, one process per measurement.

`python benchmarks/_predicting.py load PREDICTOR` and `... predict PREDICTOR SLIDE OUT SPACING_UM`
are those processes: peak memory is that of a process, so each figure needs its own.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Predicted:
    """Measurements of one slide, predicted in a separate process."""

    peak_mb: float
    n_places: int
    seconds: float
    """Seconds from the order to the last file, without loading Python and torch."""
    processor_seconds: float
    """The same in processor time, summed over cores."""
    card_gib: float | None
    """Most that tensors held on a GPU; None without one."""

    @property
    def per_second(self) -> float:
        """Predicted tiles per second."""
        return self.n_places / self.seconds


def train_predictor(folder: Path, encoder: str, n_genes: int, model: str = "ridge") -> Path:
    """Train a model on a small simulated cohort; weights of a net are drawn at random.

    A network is the smallest of its presets, after one epoch: memory and speed are the same.
    """
    from histoscribe.simulate.cohort import (
        simulate,
    )  # imported here, so that the parent process stays small
    from histoscribe.train.run import train
    from histoscribe.train.settings import parse_settings

    cohort = simulate(
        folder / f"cohort-{n_genes}",
        n_patients=2,
        spots_per_section=40,
        genes_per_family=n_genes // 5,  # from eight families, so that the panel has a choice
    )
    bare = encoder in ("colour_texture", "mean_colour")
    settings = parse_settings(
        {
            "cohort": str(cohort),
            "models": [model],
            "settings": {} if model == "ridge" else {model: {"preset": "tiny"}},
            "train": {"epochs": 1},
            "target": {"n_genes": n_genes},
            "inputs": {
                "tile_px": 224,
                "mpp": 0.5,
                "encoder": encoder,
                "weights": "file" if bare else "random",
            },
            "run": {"device": "cpu"},
        },
        "benchmark settings",
    )
    out = folder / f"predictor-{model}-{encoder.replace(':', '-')}-{n_genes}"
    train(settings=settings, out=out, cache=folder / "cache", weights={})
    return out


def simulated_slide(folder: Path, side_px: int) -> Path:
    """Write a simulated slide in a separate process."""
    slide = folder / f"slide-{side_px}.ome.tif"
    command = [sys.executable, SCRIPTS / "simulated_slide.py", "--side", str(side_px)]
    subprocess.run([*command, "--out", slide], check=True, stdout=subprocess.DEVNULL)
    return slide


def loaded_megabytes(predictor: Path) -> float:
    """Peak memory of a process that only loads a predictor and its encoder."""
    return _numbers("load", predictor)[0]


def predicted(predictor: Path, slide: Path, out: Path, spacing_um: float) -> Predicted:
    """Predict a slide in a separate process."""
    peak_mb, n_places, *seconds, gib = _numbers("predict", predictor, slide, out, spacing_um)
    return Predicted(peak_mb, int(n_places), *seconds, card_gib=gib or None)


def _numbers(*words: object) -> list[float]:
    """Numbers in the last line of a process."""
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split("\n")[-2].split()]


def _child(what: str, predictor: str, *rest: str) -> None:
    from histoscribe.predictor.saving import load_predictor

    if what == "load":
        _ = load_predictor(predictor).encoder
        print(_peak_megabytes())
        return
    import torch

    from histoscribe.predict.order import Order, predict

    slide, out, spacing_um = rest
    order = Order(
        predictor=Path(predictor),
        targets=(slide,),
        out=Path(out),
        spacing_um=float(spacing_um),
        keep_unlike=True,
    )
    began, processor = perf_counter(), process_time()
    ((_, done),) = predict(order)
    seconds = perf_counter() - began, process_time() - processor
    on_card = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    print(_peak_megabytes(), done.n_places, *seconds, on_card)


def _peak_megabytes() -> float:
    """Peak memory of this process, without that of its parent."""
    status = Path("/proc/self/status").read_text().split("\n")
    (line,) = (line for line in status if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1e3


if __name__ == "__main__":
    _child(*sys.argv[1:])
