"""Time and memory of TCGN, compared with the same network without its graph.

`python benchmarks/tcgn.py [--batch N] [--rounds N]`: published size, random weights, tiles of 224
px, 785 genes, seed 0. Processor time on one thread, in float32: a forward pass takes at most 1.6
times, and a step of training at most 1.5 times, that of `graph = "none"`. Then wall time on two
threads, both under bfloat16, and `torch.compile` where there is a compiler. Last, peak memory of a
step, by batch, each in a process of its own: the second increase is at most 2.2 times the first.
The two networks take turns, so that other work on the machine slows both.
"""

import argparse
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from os import environ
from time import perf_counter, process_time
from typing import Any

import torch
from _machine import report, seconds
from _tcgn_steps import created, forward, step_megabytes, tiles, training_step

BATCHES = (4, 8, 16)  # of the measurement of memory
CLOCKS = (("processor", 1, process_time), ("wall", 2, perf_counter))
Figures = dict[str, float | str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args(arguments)
    models = [created(graph) for graph in ("none", "image")]
    figures = times(models, given.batch, given.rounds)
    figures |= compiled(models[1], given.batch, given.rounds)
    figures |= memory()
    report("tcgn", batch=given.batch, rounds=given.rounds, torch=torch.__version__, **figures)


def times(models: Sequence[Any], batch: int, rounds: int) -> Figures:
    """Medians over rounds of both networks, and their ratio."""
    image = tiles(batch)
    print("| work | precision | time | threads | bare, s an image | with graph | ratio |")
    print("|---|---|---|---|---|---|---|")
    figures: Figures = {}
    for precision in ("float32", "bfloat16"):
        reduced = precision == "bfloat16"
        pairs = {
            "forward": [forward(model, image, bfloat16=reduced) for model in models],
            "step": [training_step(model, image, bfloat16=reduced) for model in models],
        }
        for clock_name, threads, clock in CLOCKS:
            torch.set_num_threads(threads)
            for work, pair in pairs.items():
                bare, full = _medians(pair, rounds, clock)
                row = (work, precision, clock_name, threads, f"{bare / batch:.3f}")
                print(_line(*row, f"{full / batch:.3f}", f"{full / bare:.2f}"), flush=True)
                figures[f"{work}_{precision}_{clock_name}_ratio"] = full / bare
                figures[f"{work}_{precision}_{clock_name}_s_an_image"] = full / batch
    return figures


def compiled(model: Any, batch: int, rounds: int) -> Figures:
    """Forward pass through `torch.compile` on one thread: its first call, then the others."""
    if shutil.which(environ.get("CXX", "g++")) is None:
        print("\ntorch.compile: no compiler")
        return {"compile": "no compiler"}
    torch.set_num_threads(1)
    plain = forward(model, tiles(batch))
    fast = forward(torch.compile(model), tiles(batch))
    began = perf_counter()
    output = fast()
    taken = perf_counter() - began
    expected = plain()
    apart = float((output - expected).abs().max() / expected.abs().max())
    before, after = _medians([plain, fast], rounds, process_time)
    print(f"\ntorch.compile: {taken:.0f} s for the first call, then {after / batch:.3f} s an image")
    print(f"in place of {before / batch:.3f}; outputs differ by {apart:.1g} of the largest one")
    return {
        "compile_s": taken,
        "compiled_to_plain_ratio": after / before,
        "compiled_apart": apart,
    }


def memory() -> Figures:
    """Peak memory of a training step by batch."""
    peaks = [step_megabytes(batch) for batch in BATCHES]
    first, second = (after - before for before, after in pairwise(peaks))
    print("\n| batch | peak, MB |\n|---|---|")
    for batch, peak in zip(BATCHES, peaks, strict=True):
        print(_line(batch, f"{peak:,.0f}"))
    print(f"second increase to the first: {second / first:.2f}")
    return {"memory_increase_ratio": second / first, "batch_16_mb": peaks[-1]}


def _medians(
    works: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> list[float]:
    for work in works:
        work()  # the first call allocates
    return seconds(*works, repeats=rounds, clock=clock)


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()
