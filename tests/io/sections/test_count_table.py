"""Count tables: what is no raw count is told with its place, all problems at once."""

import csv
import gzip
import re
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.count_table import read_count_table as read
from histoscribe.io.sections.spot_names import fit_places

GOOD = "\tACTB\tERBB2\n1x2\t3\t0\n1x3\t0\t7\n"


def read_count_table(path: Path, spots=("1x2", "1x3", "1x4")):
    """Read a table for an array with these spots."""
    return read(path, partial(fit_places, spots=spots, printed=None))


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


COUNTS = pd.DataFrame(
    [[3, 0, 10, 1], [0, 7, 2, 5], [1, 1, 0, 20]],
    index=["1x2", "2x2", "1x4"],
    columns=["ACTB", "HLA-A", "ERBB2", "ENSG00000000001"],
)


def _r_names(names):
    """Names as R makes them when they become columns."""
    return [f"X{name}" if name[0].isdigit() else name for name in names]


WAYS = {
    "pandas": lambda t: t.to_csv(sep="\t"),
    "comma": lambda t: t.to_csv(),
    "semicolon, Windows": lambda t: t.to_csv(sep=";").replace("\n", "\r\n"),
    "R's write.csv": lambda t: t.to_csv(quoting=csv.QUOTE_NONNUMERIC),
    "R's write.table": lambda t: t.to_csv(sep=" ", quoting=csv.QUOTE_NONNUMERIC).removeprefix(
        '"" '
    ),
    "R, genes in rows": lambda t: t.T.set_axis(_r_names(t.index), axis=1).to_csv(
        quoting=csv.QUOTE_NONNUMERIC
    ),
    "genes in rows": lambda t: t.T.to_csv(sep="\t"),
    "genes in rows, with symbols": lambda t: t.T.assign(symbol="s")[["symbol", *t.index]].to_csv(),
    "numbered lines": lambda t: t.rename_axis("spot").reset_index().to_csv(),
    "Excel: empty columns and lines": lambda t: (
        t.to_csv(sep=";").replace("\n", ";;\n") + ";;;;;;\n;;;;;;\n"
    ),
    "Excel: stated separator": lambda t: "sep=;\n" + t.to_csv(sep=";"),
    "decimal commas": lambda t: t.astype(str).add(",0").to_csv(sep=";"),
    "a sample in front": lambda t: t.set_axis("S1_" + t.index, axis=0).to_csv(sep="\t"),
    "a sample behind": lambda t: t.set_axis(t.index + "_1", axis=0).to_csv(sep="\t"),
    "old Mac": lambda t: t.to_csv(sep="\t").replace("\n", "\r"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("way", WAYS)
def test_a_table_is_the_same_however_it_is_written(way, encoding, tmp_path):
    path = tmp_path / "counts.txt"
    path.write_bytes(WAYS[way](COUNTS).encode(encoding))
    counts, spots, notes = read_count_table(path, spots=("1x4", "1x2", "2x2", "5x5"))
    assert spots == tuple(COUNTS.index)
    assert counts.gene_ids == tuple(COUNTS.columns)
    assert (counts.matrix.toarray() == COUNTS.to_numpy()).all()
    assert any("genes are in the rows" in note for note in notes) == ("genes in rows" in way)


def test_a_square_table_is_turned_by_its_names_not_by_its_shape(tmp_path):
    square = COUNTS.iloc[:, :3]
    for table in (square, square.T):
        counts, spots, _ = read_count_table(
            _write(tmp_path, table.to_csv(sep="\t")), tuple(square.index)
        )
        assert (counts.matrix.toarray() == square.to_numpy()).all()
        assert spots == ("1x2", "2x2", "1x4")


def test_symbols_beside_ids_are_the_names_of_genes(tmp_path):
    text = "symbol,id,1x2,1x3\nACTB,ENSG00000000001,3,4\nTP53,ENSG00000000002,5,6\n"
    counts, spots, _ = read_count_table(_write(tmp_path, text))
    assert counts.gene_ids == ("ENSG00000000001", "ENSG00000000002")
    assert (counts.gene_names, spots) == (("ACTB", "TP53"), ("1x2", "1x3"))
    assert counts.matrix.toarray().tolist() == [[3, 5], [4, 6]]


def test_a_column_of_words_that_is_not_read_is_told(tmp_path):
    counts, _, notes = read_count_table(_write(tmp_path, "spot,type,A\n1x2,tumour,3\n1x3,fat,4\n"))
    assert counts.gene_ids == ("A",)
    assert notes == ("column type of the count table was not read",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("x", "y"), "rows named 1y2, 1y3 and columns named ACTB, ERBB2: neither"),
        (GOOD.replace("ACTB", "1x2"), "both name spots"),
        ("a,b;c\n1x2,3;4\n", "separated by comma and semicolon"),
        ("a|b\n1x2|3\n", "no tab, comma, semicolon"),
        ("\tA\n1x2\t3,000\n", "no number: '3,000' at spot 1x2, gene A"),
        ("\tA\n1x2\t1,5\n", "no number: '1,5'"),
        ("\tA\n1x2\tNA\n", "1 empty cells"),
    ],
)
def test_what_a_table_does_not_prove_is_asked_for(text, message, tmp_path):
    with pytest.raises(DataContractError, match=re.escape(message)):
        read_count_table(_write(tmp_path, text))


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "counts.tsv"
    path.write_bytes(b"\0\1\2\n\x81\0\n" * 9)
    with pytest.raises(DataContractError, match="no text"):
        read_count_table(path)


def test_windows_text_is_read_and_told(tmp_path):
    path = tmp_path / "counts.tsv"
    path.write_bytes("\tGén\n1x2\t3\n1x3\t4\n".encode("cp1252"))
    counts, _, notes = read_count_table(path)
    assert counts.gene_ids == ("Gén",)
    assert notes == ("counts.tsv: no UTF-8, read as Windows-1252",)


def test_genes_that_a_spreadsheet_made_dates_are_told(tmp_path):
    _, _, notes = read_count_table(_write(tmp_path, "\t1-Mar\t2-Sep\tA\n1x2\t3\t4\t5\n"))
    assert "2 genes are named like dates (1-Mar, 2-Sep)" in notes[0]
