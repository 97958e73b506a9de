"""Print pip's option for PyTorch's own index, if that index answers within five seconds.

It has builds without CUDA. Elsewhere pip takes what its usual index has: on PyPI, for Linux, that
is the CUDA build.
"""

import signal
import sys
import urllib.request

SECONDS = 5


def main(index: str) -> None:
    """Ask for the page of torch; a slow name server counts, too, so the whole process is timed."""
    signal.alarm(SECONDS)
    with urllib.request.urlopen(f"{index}/torch/") as answer:
        answer.read(1)
    print(f"--extra-index-url {index}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ValueError):  # no answer, or no address
        sys.exit(1)
