"""Shared parts of the speed scripts: description of the machine, fair timing, one line of JSON."""

import json
import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter


def machine() -> dict[str, str | int]:
    """Description of the machine, needed to interpret times and ratios."""
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        "python": platform.python_version(),
    }


def seconds(
    *works: Callable[[], object], repeats: int = 5, clock: Callable[[], float] | None = None
) -> list[float]:
    """Median time of each piece of work over `repeats` rounds: wall time, or that of `clock`.

    The pieces alternate within a round, so that a slower machine slows all of them.
    """
    clock = clock or perf_counter
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, times, strict=True):
            start = clock()
            work()
            taken.append(clock() - start)
    return [median(taken) for taken in times]


def report(name: str, **figures: float | int | str) -> None:
    """Print the figures and the machine as one last line of JSON."""
    rounded = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in figures.items()
    }
    print(json.dumps({"benchmark": name, **rounded, "machine": machine()}))


def _cores() -> int:
    return os.cpu_count() or 1
