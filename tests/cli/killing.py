"""The command line in processes of its own, which can be killed without losing seconds to imports.

A server imports the package once; every run is a fork of it. Figures are drawn small and feature
chunks hold few rows, so that a kill finds a run at any of its kinds of work.
"""

import os
import re
import signal
import sys
import time
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pytest",
        "distributed",
        "tests.cli.killing",
        "histoscribe.benchmark.run",
        "histoscribe.models",
        "histoscribe.cli.main",
        "histoscribe.cli.table",
        "histoscribe.predict.order",
        "histoscribe.report.page",
        "histoscribe.train.loop",  # of networks, with lightning
        "histoscribe.train.run",
        "s3fs",  # where it is installed, lightning imports it at each first training
    ]
)
ROWS = 8
"""Rows of a feature chunk in these processes."""


def start(arguments: list[str], cache: Path):
    """Begin `histoscribe ARGUMENTS` in a fork."""
    process = FORKS.Process(target=_verb, args=(arguments, str(cache)))
    process.start()
    return process


def finish(arguments: list[str], cache: Path) -> float:
    """Run to the end; seconds."""
    began = time.monotonic()
    process = start(arguments, cache)
    process.join()
    assert process.exitcode == 0, arguments
    return time.monotonic() - began


def kill(arguments: list[str], cache: Path, after: float) -> bool:
    """Run, and kill after so many seconds; False where the run was done before."""
    process = start(arguments, cache)
    process.join(after)
    if process.exitcode is None:
        with suppress(ProcessLookupError):  # it may end between the look and the kill
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == -signal.SIGKILL


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file by relative path, and every folder; without how long a run took.

    Hashes of pictures are left out, too, with the folder that may hold nothing else: they are kept
    for pictures that are some seconds old.
    """
    return {
        str(path.relative_to(folder)): _timeless(path) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name not in ("run.json", "cache")
        and not {"durations", "pixel-hashes"} & set(path.parts)
    }


def _timeless(path: Path) -> bytes:
    """Content of a file; a report without the day of its run."""
    content = path.read_bytes()
    return re.sub(rb"<time.*?</time>", b"", content) if path.name == "report.html" else content


def _verb(arguments: list[str], cache: str) -> None:
    from histoscribe.cli.main import main
    from tests import toys

    small_chunks()
    os.environ["HISTOSCRIBE_CACHE"] = cache
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.argv = ["histoscribe", *arguments]
    with toys.registered():
        main()


def small_chunks() -> None:
    """Work in this process as a kill needs it: one thread, small figures, few rows a chunk."""
    import torch

    from histoscribe.data import features
    from histoscribe.io import feature_store
    from histoscribe.io.predictions import prediction_store
    from histoscribe.plot import canvas
    from histoscribe.predict import threads

    torch.set_num_threads(1)
    canvas._DPI, canvas._PANEL_PX = 20, 100
    feature_store.CHUNK_ROWS = features.BATCH = ROWS
    prediction_store.CHUNK_ROWS = threads._BATCH = ROWS
