"""A cohort of text tables and small pictures that tests can break, and the command line."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoscribe.cli.main import main

STEP_PX = 20
SIDE = 6
GENES = tuple(f"GENE{number}" for number in range(8))
SETTINGS = """\
cohort = "cohort.csv"
models = ["mean", "ridge"]
[target]
n_genes = 4
[inputs]
tile_px = 8
mpp = 10.0
encoder = "mean_colour"
[run]
device = "cpu"
"""


@dataclass
class Files:
    """Where one section's files lie."""

    image: Path
    counts: Path
    spots: Path


class SmallCohort:
    """Sections of `st` arrays, 6 x 6 spots each, one a patient; every file may be rewritten."""

    def __init__(self, folder: Path, n_patients: int = 3) -> None:
        self.folder = folder
        self.manifest = folder / "cohort.csv"
        self.settings = folder / "run.toml"
        self.settings.write_text(SETTINGS)
        self.patients = [f"P{number}" for number in range(1, n_patients + 1)]
        lines = ["section,patient,kind,image,counts,spots"]
        for number, patient in enumerate(self.patients):
            self._section(patient, np.random.default_rng(number))
            lines.append(f"{patient}S,{patient},st,{patient}.png,{patient}.tsv.gz,{patient}.spots")
        self.manifest.write_text("\n".join(lines) + "\n")

    def files(self, patient: str = "P2") -> Files:
        """The files of a patient's section."""
        return Files(*(self.folder / f"{patient}.{end}" for end in ("png", "tsv.gz", "spots")))

    def edit_counts(self, old: str, new: str, patient: str = "P2") -> None:
        """Replace text in a count table, once."""
        path = self.files(patient).counts
        text = gzip.decompress(path.read_bytes()).decode()
        assert old in text
        path.write_bytes(gzip.compress(text.replace(old, new, 1).encode()))

    def set_gene(self, gene: str, value: str, patient: str) -> None:
        """Give a gene the same count in every spot."""
        path, column = self.files(patient).counts, 1 + GENES.index(gene)
        text = gzip.decompress(path.read_bytes()).decode()
        header, *rows = (line.split("\t") for line in text.splitlines())
        for row in rows:
            row[column] = value
        lines = ["\t".join(row) for row in (header, *rows)]
        path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))

    def edit_manifest(self, old: str, new: str) -> None:
        """Replace text in the manifest."""
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))

    def _section(self, patient: str, rng: np.random.Generator) -> None:
        files = self.files(patient)
        side_px = (SIDE + 1) * STEP_PX
        pixels = rng.integers(90, 200, (side_px, side_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(files.image)
        at = [(x, y) for y in range(1, SIDE + 1) for x in range(1, SIDE + 1)]
        spots = ["x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\tselected"]
        spots += [f"{x}\t{y}\t{x}\t{y}\t{x * STEP_PX}\t{y * STEP_PX}\t1" for x, y in at]
        files.spots.write_text("\n".join(spots) + "\n")
        lines = ["\t".join(["", *GENES])]
        for x, y in at:
            lines.append("\t".join([f"{x}x{y}", *map(str, rng.poisson(9, len(GENES)) + 1)]))
        files.counts.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def histoscribe(monkeypatch, capsys, tmp_path):
    """Runs the command line in this process: `histoscribe("check", path)`."""
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments) -> Outcome:
        monkeypatch.setattr("sys.argv", ["histoscribe", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run
