"""Processor time of `histoscribe` commands that only list, compared with an idle Python.

Run: `python benchmarks/startup.py`. The house limit is 1 s. Processor time is little disturbed by
whatever else the machine does.
"""

import resource
import subprocess
import sys

from _machine import report

TARGET_SECONDS = 1.0
N_RUNS = 5
QUESTIONS = ("--help", "--version", "models", "encoders", "data")


def main() -> None:
    """Ask each question a few times, and print one line of JSON with the median of each."""
    bare = _seconds([sys.executable, "-c", "pass"])
    command = [sys.executable, "-m", "histoscribe.cli.main"]
    found = {question: _seconds([*command, question]) for question in QUESTIONS}
    report(
        "startup",
        processor_seconds=found,
        target_seconds=TARGET_SECONDS,
        bare_python_seconds=bare,
        slowest_ratio=max(found.values()) / bare,
    )


def _seconds(command: list[str]) -> float:
    """Median processor time, user and system, of a command; a first run fills the file cache."""
    times = []
    for _ in range(1 + N_RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(times[1:])[N_RUNS // 2]


if __name__ == "__main__":
    main()
