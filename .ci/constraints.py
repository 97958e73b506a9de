"""Print the versions of all installed packages, as constraints for the set-up.

Run it in an environment made by `make .venv/installed-dev` in which the tests have passed:
`.venv/bin/python .ci/constraints.py > constraints.txt`.
"""

import platform
from importlib.metadata import distributions

LEFT_OUT = ("histoscribe", "pip", "setuptools")


def main() -> None:
    """Print name and version of each package; a build such as `+cpu` is left out."""
    found = {item.name: item.version.partition("+")[0] for item in distributions()}
    print("# Versions that were tested together", end=" ")
    print(f"(Python {'.'.join(platform.python_version_tuple()[:2])}, Linux, CPU).")
    print("# The set-up uses this file; an unpinned torch would bring several GB of CUDA packages.")
    for name in sorted(found, key=str.casefold):
        if name not in LEFT_OUT:
            print(f"{name}=={found[name]}")


if __name__ == "__main__":
    main()
