import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.cohort import check_cohort
from histoscribe.io.gene_sets import gene_set_file, read_gmt, read_orthologues


@pytest.fixture
def write(tmp_path):
    def write(text, name="sets.gmt"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_set_has_each_member_once_in_the_order_of_the_file(write):
    sets = read_gmt(write("\ufeffB\thttps://b\tG2\tG1\tG2\t\t\n\nA\t\tG3\n"))
    assert sets == {"B": ("G2", "G1"), "A": ("G3",)}
    assert list(sets) == ["B", "A"]


def test_every_broken_line_and_every_repeated_name_is_told_at_once(write):
    text = "A\tabout\tG1\nB with spaces G1 G2\nC\tabout\nA\tabout\tG2\n\tabout\tG3\n"
    with pytest.raises(DataContractError) as caught:
        read_gmt(write(text))
    lines, names = caught.value.problems
    assert lines.found == "lines that are no gene set: 2, 3, 5"
    assert names.found == "several sets of one name: A"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00A", None])
def test_a_file_without_sets_is_told(tmp_path, content):
    path = tmp_path / "sets.gmt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataContractError, match=r"sets\.gmt"):
        read_gmt(path)


def test_a_gene_may_have_several_orthologues(write):
    table = "set_gene,panel_gene\nMKI67,Mki67\nHBA1,Hba-a1\nHBA1,Hba-a2\nLONELY,\n"
    assert read_orthologues(write(table)) == {
        "MKI67": ("Mki67",),
        "HBA1": ("Hba-a1", "Hba-a2"),
    }


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("human,mouse\nMKI67,Mki67\n", "the header 'human,mouse'"),
        ("set_gene,panel_gene\nMKI67\nA,B,C\n", "lines without exactly two cells: 2, 3"),
        ("set_gene,panel_gene\n", "no pair of genes"),
        ("", "the header ''"),
    ],
)
def test_a_table_of_another_form_is_told(write, table, found):
    with pytest.raises(DataContractError) as caught:
        read_orthologues(write(table))
    assert caught.value.problems[0].found == found


def test_the_catalog_names_gene_sets_and_keeps_them_apart_from_cohorts(tmp_path, monkeypatch):
    folder = tmp_path / "genesets"
    folder.mkdir()
    (folder / "h.all.v7.0.symbols.gmt").write_text("A\t\tG1\n", encoding="utf-8")
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    assert read_gmt(gene_set_file("catalog:hallmark")) == {"A": ("G1",)}
    assert gene_set_file("other.gmt").name == "other.gmt"
    assert data_set("hallmark").licence.startswith("CC BY 4.0")
    (problem,) = check_cohort("catalog:hallmark")
    assert "pathways.sets" in problem.remedy
    with pytest.raises(DataContractError, match="sections"):
        gene_set_file("catalog:her2st")


def test_missing_gene_sets_tell_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataContractError, match="histoscribe data hallmark --fetch"):
        gene_set_file("catalog:hallmark")


@pytest.mark.data
def test_the_hallmark_file_has_its_fifty_sets(real_data):
    sets = read_gmt(real_data / "genesets" / "h.all.v7.0.symbols.gmt")
    assert len(sets) == 50
    assert len({gene for members in sets.values() for gene in members}) == 4384
