"""The tables of docs/howto/tables.md are read as the page says."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from PIL import Image

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.manifest import KNOWN
from histoscribe.io.cohorts.manifest_table import manifest_table

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "tables.md").read_text("utf-8")


def tables(title: str) -> list[str]:
    """The tables below a heading of the page."""
    _, _, after = PAGE.partition(f"## {title}")
    return re.findall(r"^```text\n(.*?)^```", after.partition("\n## ")[0], re.M | re.S)


def write_cohort(folder: Path, line: str) -> Path:
    Image.new("RGB", (4000, 4000)).save(folder / "he.png")
    path = folder / "cohort.csv"
    path.write_text(f"section,patient,kind,path,image,counts,spots,mpp\nS,P,{line}\n")
    return path


@pytest.mark.parametrize("kind", ["st", "st2k"])
def test_the_tables_of_an_array_are_a_section(kind, tmp_path):
    spots, counts = tables(f"`{kind}`")
    (tmp_path / "spots.tsv").write_text(spots)
    (tmp_path / "counts.tsv").write_text(counts)
    section = read_cohort(write_cohort(tmp_path, f"{kind},,he.png,counts.tsv,spots.tsv,"))["S"]
    rows = [line.split("\t") for line in counts.splitlines()[1:]]
    assert section.spots.ids == tuple(row[0] for row in rows)
    assert section.measured.matrix.toarray().tolist() == [list(map(int, row[1:])) for row in rows]


def test_the_coordinates_of_a_sparse_matrix_are_a_section(tmp_path):
    (coordinates,) = tables("`sparse`")
    (tmp_path / "spots.csv").write_text(coordinates)
    (tmp_path / "genes.txt").write_text("A\nB\n")
    sp.save_npz(tmp_path / "counts.npz", sp.csc_matrix(np.array([[1, 2, 3], [4, 5, 6]])))
    line = "sparse,genes.txt,he.png,counts.npz,spots.csv,0.97"
    section = read_cohort(write_cohort(tmp_path, line))["S"]
    assert section.measured.matrix.toarray().tolist() == [[1, 4], [2, 5], [3, 6]]


def test_the_manifest_is_one(tmp_path):
    (text,) = tables("Manifest")
    (tmp_path / "cohort.csv").write_text(text)
    table = manifest_table(tmp_path / "cohort.csv", ("section", "patient", "kind"), KNOWN)
    assert [row["section"] for _, row in table.rows] == ["S1", "S2", "B4"]
