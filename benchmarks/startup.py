"""How soon `histoscribe --help` answers, beside a Python that does nothing.

Run alone: `python benchmarks/startup.py`. The house limit is 1.5 s on an idle machine.
"""

import subprocess
import sys

from _machine import report, seconds

TARGET_SECONDS = 1.5


def main() -> None:
    """Time both in turns, and print one line of JSON."""
    bare, answer = seconds(
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        lambda: subprocess.run(
            [sys.executable, "-m", "histoscribe.cli.main", "--help"],
            check=True,
            stdout=subprocess.DEVNULL,
        ),
    )
    report(
        "startup",
        seconds=answer,
        target_seconds=TARGET_SECONDS,
        bare_python_seconds=bare,
        ratio=answer / bare,
    )


if __name__ == "__main__":
    main()
