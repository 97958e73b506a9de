"""Memory and time of a training step of the SpatialTranscriptFormer, against the number of spots.

`python benchmarks/stformer.py [--spots N...] [--h2h N...]`: 4 layers of width 384 with 8 heads, 50
pathways, 1000 genes, 768 features, float32, one thread; each figure is one step in a process of its
own. Without `h2h` each size is also run with checkpointing. `--h2h 20000` takes minutes.

Limits: 4.3 GiB plain and 2.3 GiB with checkpointing at 20,000 spots without `h2h`; from 5,000 to
20,000 at most 4.2 times the memory and 4.6 times the processor time; with `h2h` at 5,000 spots at
most 1.2 times the memory without.
"""

import argparse
from collections.abc import Sequence

from _machine import report
from _section_steps import ALL, NO_H2H, SectionStep, measured_step

Case = tuple[int, str]
LIMITS = (
    ("GiB, plain", lambda of: of[20_000, "plain"].gibibytes, 4.3),
    ("GiB, checkpointing", lambda of: of[20_000, "checkpointing"].gibibytes, 2.3),
    ("memory, 20,000 / 5,000 spots",
     lambda of: of[20_000, "plain"].gibibytes / of[5000, "plain"].gibibytes, 4.2),
    ("processor time, 20,000 / 5,000 spots",
     lambda of: of[20_000, "plain"].cpu_seconds / of[5000, "plain"].cpu_seconds, 4.6),
    ("memory, with / without h2h at 5,000",
     lambda of: of[5000, "h2h"].gibibytes / of[5000, "plain"].gibibytes, 1.2),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, the limits, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spots", type=int, nargs="+", default=[500, 5000, 20_000])
    parser.add_argument("--h2h", type=int, nargs="*", default=[500, 5000], help="spots with h2h")
    given = parser.parse_args(arguments)
    cases = [(n, way) for n in given.spots for way in ("plain", "checkpointing")]
    cases += [(n, "h2h") for n in given.h2h]
    print("| spots | flows | checkpointing | GiB | processor s |\n|---|---|---|---|---|")
    of: dict[Case, SectionStep] = {}
    for n, way in cases:
        flows = ALL if way == "h2h" else NO_H2H
        step = of[n, way] = measured_step(n, flows, checkpoint=way == "checkpointing")
        again = "yes" if way == "checkpointing" else "no"
        print(
            f"| {n:,} | {'all' if way == 'h2h' else 'without h2h'} | {again} "
            f"| {step.gibibytes:.2f} | {step.cpu_seconds:.1f} |",
            flush=True,
        )
    _check(of)
    few, many = (of[n, "plain"] for n in (min(given.spots), max(given.spots)))
    report(
        "stformer",
        most_spots=max(given.spots),
        most_gibibytes=many.gibibytes,
        memory_ratio=many.gibibytes / few.gibibytes,
        processor_time_ratio=many.cpu_seconds / few.cpu_seconds,
    )


def _check(of: dict[Case, SectionStep]) -> None:
    """Print each limit whose sizes were measured."""
    for name, value, limit in LIMITS:
        try:
            found = value(of)
        except KeyError:
            continue
        print(f"{name}: {found:.2f}, limit {limit}{'' if found <= limit else ': MISSED'}")


if __name__ == "__main__":
    main()
