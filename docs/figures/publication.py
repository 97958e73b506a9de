"""Draws docs/images/publication-models.svg and publication-map.svg from a run folder.

histoscribe benchmark recipes/her2st-quick.toml --out runs/her2st-quick
.venv/bin/python docs/figures/publication.py runs/her2st-quick

The map has no tissue: pictures of the tissue of her2st may not be published here.
"""

import sys
from pathlib import Path

from histoscribe.benchmark.result import Benchmark
from histoscribe.report.run import read_run

IMAGES = Path(__file__).parents[1] / "images"
GENE = "ERBB2"


def main(folder: Path) -> None:
    """Write both pictures."""
    read = read_run(folder)
    run = Benchmark(folder, read.summary, read.genes, read.scores, read.checks)
    run.figure("models").savefig(IMAGES / "publication-models.svg")
    run.figure("map", gene=GENE, tissue=False).savefig(IMAGES / "publication-map.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
