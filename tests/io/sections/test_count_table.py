"""Count tables: what is no raw count is told with its place, all problems at once."""

import gzip
from pathlib import Path

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.table import read_count_table

GOOD = "\tACTB\tERBB2\n1x2\t3\t0\n1x3\t0\t7\n"


def _write(folder: Path, text: str) -> Path:
    path = folder / "counts.tsv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [GOOD, GOOD.removeprefix("\t"), GOOD.replace("\n", "\r\n"), GOOD.replace("\t3\t", "\t3.0\t")],
)
def test_a_table_is_read_with_or_without_a_corner_cell(text, tmp_path):
    counts, spots, notes = read_count_table(_write(tmp_path, text))
    assert counts.matrix.toarray().tolist() == [[3, 0], [0, 7]]
    assert (counts.gene_ids, spots, notes) == (("ACTB", "ERBB2"), ("1x2", "1x3"), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("7", "7.5"), "1 fractions, first 7.5 at spot 1x3, gene ERBB2"),
        (GOOD.replace("7", "-7"), "1 negative values, first -7 at spot 1x3"),
        (GOOD.replace("7", ""), "1 empty cells"),
        (GOOD.replace("7", "seven"), "no number: 'seven' at spot 1x3, gene ERBB2"),
        (GOOD.replace("1x3", "1x2"), "1 spot ids repeat: 1x2"),
        (GOOD.replace("ACTB", "ERBB2"), "1 gene ids repeat: ERBB2"),
        (GOOD.split("\n", 1)[1], "the header is missing"),
        (GOOD + "1x4\t1\t2\t3\n", "lines of unequal length"),
        (GOOD.split("\n", 1)[0] + "\n", "fewer than two lines"),
        ("", "fewer than two lines"),
    ],
)
def test_a_bad_table_is_one_clear_message(text, message, tmp_path):
    with pytest.raises(DataContractError, match=message) as caught:
        read_count_table(_write(tmp_path, text))
    assert len(caught.value.problems) == 1
    assert "counts.tsv" in caught.value.problems[0].where


def test_all_problems_of_a_table_come_at_once(tmp_path):
    bad = GOOD.replace("1x3", "1x2").replace("ACTB", "ERBB2").replace("7", "-7.5")
    with pytest.raises(DataContractError) as caught:
        read_count_table(_write(tmp_path, bad))
    assert len(caught.value.problems) == 4


def test_a_truncated_gzip_says_so(tmp_path):
    path = tmp_path / "counts.tsv.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:-12])
    with pytest.raises(DataContractError, match="truncated or broken"):
        read_count_table(path)


def test_genes_that_differ_by_version_only_are_summed_and_noted(tmp_path):
    ids = "ENSG00000000001.1\tENSG00000000001.2\tRP11-34P13.7\tRP11-34P13.8"
    counts, _, notes = read_count_table(_write(tmp_path, f"\t{ids}\n1x2\t1\t2\t3\t4\n"))
    # a clone's number is no version: these are two genes
    assert counts.gene_ids == ("ENSG00000000001", "RP11-34P13.7", "RP11-34P13.8")
    assert counts.matrix.toarray().tolist() == [[3, 3, 4]]
    assert "summed" in notes[0]
