"""Times and memory of `histoscribe view`, as a browser on this machine meets them.

`python benchmarks/viewer.py`: a slide of 20,000 x 20,000 px and a prediction of 100,000 places x
2,000 genes, made for this and viewed by a process of its own with an empty cache. Measured are the
start, the first look at the section (in which the maps of all genes are made, once), the first
tile, another gene, and the memory of the server after a few genes and after many.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np
from _machine import report
from _predicting import simulated_slide

from histoscribe.io.predictions.anndata import write_blocks
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.seed import stream
from histoscribe.types import Head, Spots

_BLOCK = 4096
_FEW = 20
"""Genes after which memory is read for the first time."""


class Client:
    """One connection to the page, kept open as browsers do."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = HTTPConnection(str(parts.hostname), parts.port or 80, timeout=600)

    def seconds(self, address: str) -> tuple[float, bytes]:
        """Duration of one request, and its answer."""
        began = perf_counter()
        self._connection.request("GET", self._path + address)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{address}: {response.status} {body!r}")
        return perf_counter() - began, body


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--side", type=int, default=20_000, help="px of the slide")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        slide = simulated_slide(folder, given.side)
        prediction = _predicted(folder / "S1.h5ad", slide, given.places, given.genes)
        _measure(folder, slide, prediction, given.genes)


def _predicted(path: Path, slide: Path, n_places: int, n_genes: int) -> Path:
    """Write a prediction of random values, block by block."""
    opened = open_whole_slide(slide)
    rng = stream(0, "viewer")
    xy = rng.uniform(0, opened.width, (n_places, 2))
    head = Head(
        section="S1",
        spots=Spots(tuple(f"s{i}" for i in range(n_places)), xy, 20.0, 20.0),
        genes=tuple(f"G{i}" for i in range(n_genes)),
        unit="cp10k-log1p",
        predictor="random@0",
    )
    sizes = [min(_BLOCK, n_places - start) for start in range(0, n_places, _BLOCK)]
    blocks = (rng.random((size, n_genes), dtype=np.float32) for size in sizes)
    write_blocks(head, blocks, path, opened)
    return path


def _measure(folder: Path, slide: Path, prediction: Path, n_genes: int) -> None:
    with _viewer(folder, slide, prediction) as (client, pid, start_s):
        tile_s = client.seconds("s/0/tile/0/0_0.jpg")[0]
        first_s, section = client.seconds("s/0/section.json")
        fine = [client.seconds(tile)[0] for tile in _tiles(json.loads(section)["slide"])]
        genes = [client.seconds(f"s/0/gene/{gene}/predicted.bin")[0] for gene in range(_FEW)]
        few_mb = _megabytes(pid, "VmRSS")
        genes += [
            client.seconds(f"s/0/gene/{gene}/predicted.bin")[0] for gene in range(_FEW, n_genes)
        ]
        many_mb, peak_mb = _megabytes(pid, "VmRSS"), _megabytes(pid, "VmHWM")
    results = {
        "start_seconds": start_s,
        "first_tile_seconds": tile_s,
        "other_tile_worst_seconds": max(fine),
        "first_look_seconds": first_s,
        "gene_median_ms": 1000 * float(np.median(genes)),
        "gene_worst_ms": 1000 * max(genes),
        f"memory_after_{_FEW}_genes_mb": few_mb,
        f"memory_after_{n_genes}_genes_mb": many_mb,
        "memory_peak_mb": peak_mb,
    }
    for name, value in results.items():
        print(f"{name.replace('_', ' '):32} {value:10.3f}")
    report("viewer", **results)


def _tiles(slide: dict[str, int]) -> Iterator[str]:
    """Addresses of tiles along the diagonal of the four finest levels."""
    for up in range(4):
        n_tiles = max(1, (slide["width"] >> up) // slide["tile_px"])
        for at in sorted({0, n_tiles // 2, n_tiles - 1}):
            yield f"s/0/tile/{slide['levels'] - 1 - up}/{at}_{at}.jpg"


@contextmanager
def _viewer(folder: Path, slide: Path, prediction: Path) -> Iterator[tuple[Client, int, float]]:
    """The command in a process of its own; its client, its process id and the time of its start."""
    code = "from histoscribe.cli.main import main; main()"
    arguments = ["view", str(prediction), "--slide", str(slide), "--no-open"]
    environment = {**os.environ, "HISTOSCRIBE_CACHE": str(folder / "cache")}
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("no output")
            url = process.stdout.readline().strip()
            yield Client(url), process.pid, perf_counter() - began
        finally:
            process.terminate()


def _megabytes(pid: int, what: str) -> float:
    """Memory of a process now (`VmRSS`) or at most (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    if found is None:
        raise RuntimeError(f"no {what} of process {pid}")
    return int(found[1]) / 1000


if __name__ == "__main__":
    main()
