"""Manifests of slides and tables of bulk expression: what is read, listed and refused."""

import gzip

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.bulk_slides import read_slides
from histoscribe.io.cohorts.bulk_table import matched, read_bulk_table
from histoscribe.io.cohorts.patient_sites import sites_of
from histoscribe.types import Bag, BulkTable

PATIENTS = ("P1", "P2", "P3")
COUNTS = np.array([[0, 5, 1200], [3, 0, 900], [7, 2, 1500]])


def write_table(path, values, patients=PATIENTS, genes=("TP53", "APC", "ACTB"), tab=","):
    lines = [tab.join(("gene", *patients))]
    lines += [tab.join((gene, *map(str, row))) for gene, row in zip(genes, values.T, strict=True)]
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def write_slides(folder, lines, header="patient,slide,mpp,site"):
    for line in lines:
        if name := line.split(",")[1]:
            (folder / name).write_bytes(b"a slide")
    path = folder / "slides.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def problems_of(call, *arguments):
    with pytest.raises(DataContractError) as error:
        call(*arguments)
    return error.value.problems


@pytest.mark.parametrize(("name", "tab"), [("t.csv", ","), ("t.tsv", "\t"), ("t.tsv.gz", "\t")])
def test_a_table_is_read_whatever_its_form(tmp_path, name, tab):
    genes = ("ENSG00000141510.16", "ENSG00000134982", "ACTB")
    table, notes = read_bulk_table(
        write_table(tmp_path / name, COUNTS, genes=genes, tab=tab), "counts"
    )
    assert table.patients == PATIENTS
    assert table.genes == ("ENSG00000141510", "ENSG00000134982", "ACTB")
    np.testing.assert_array_equal(table.values, COUNTS)
    assert notes == ()


def test_samples_of_tcga_are_named_by_patient_and_normal_tissue_is_left_out(tmp_path):
    names = ("TCGA-AA-3516-01A", "TCGA-AA-3517-11A", "TCGA-A6-2671-01A-11R")
    table, notes = read_bulk_table(write_table(tmp_path / "t.csv", COUNTS, names), "counts")
    assert table.patients == ("TCGA-AA-3516", "TCGA-A6-2671")
    (note,) = notes
    assert "TCGA-AA-3517-11A" in note


TPM = COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e6


@pytest.mark.parametrize(
    ("values", "unit", "found", "remedy"),
    [
        (np.log2(COUNTS + 1.0), "counts", "logged values", '"log"'),
        (COUNTS * 100 + 0.5, "counts", "fractions, e.g. 0.5", '"fpkm"'),
        (COUNTS - 1, "counts", "2 negative values, down to -1", "correct the table"),
        (TPM * 0.5, "tpm", "3 of 3 sums are not 1,000,000", '"fpkm"'),
        (COUNTS, "tpm", "the sum of patient P2 is 903", '"counts"'),
        (np.log2(TPM + 1), "fpkm", "seem to be logged", '"log"'),
        (TPM, "fpkm", "sums of 1,000,000", '"tpm"'),
        (TPM, "log", "not logged", '"tpm"'),
    ],
)
def test_numbers_that_contradict_their_unit_are_refused(tmp_path, values, unit, found, remedy):
    (problem,) = problems_of(read_bulk_table, write_table(tmp_path / "t.csv", values), unit)
    assert found in problem.found
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("values", "unit"),
    [(COUNTS, "counts"), (TPM, "tpm"), (TPM * 0.5, "fpkm"), (np.log2(TPM + 0.01), "log")],
)
def test_numbers_in_their_unit_are_accepted(tmp_path, values, unit):
    table, _ = read_bulk_table(write_table(tmp_path / "t.csv", values), unit)
    np.testing.assert_allclose(table.values, values)


def test_reads_without_a_gene_are_no_line_of_a_table(tmp_path):
    path = write_table(tmp_path / "t.csv", COUNTS, genes=("TP53", "__no_feature", "N_unmapped"))
    (problem,) = problems_of(read_bulk_table, path, "counts")
    assert "__no_feature, N_unmapped" in problem.found
    assert problem.remedy == "remove these lines"


def test_all_problems_of_a_table_come_at_once(tmp_path):
    path = write_table(
        tmp_path / "t.csv", np.log2(COUNTS + 1.0), ("P1", "P2", "P2"), ("A", "A", "B")
    )
    found = [problem.found for problem in problems_of(read_bulk_table, path, "counts")]
    assert [text.split(":")[0] for text in found[:2]] == ["1 genes repeat", "1 patients repeat"]
    assert "logged" in found[2]
    words = path.read_text().replace("A,", "A,none", 1)
    path.write_text(words)
    assert "no numbers" in problems_of(read_bulk_table, path, "counts")[-1].found


def test_several_slides_are_of_one_patient_and_sites_come_from_column_or_barcode(tmp_path):
    lines = ["P1,a.svs,0.5,north", "P1,b.svs,,", "TCGA-AA-3516,c.ome.tif,0.25,"]
    sources = read_slides(write_slides(tmp_path, lines))
    assert [(of.patient, of.section, of.mpp) for of in sources] == [
        ("P1", "a", 0.5),
        ("P1", "b", None),
        ("TCGA-AA-3516", "c", 0.25),
    ]
    assert sites_of([(of.patient, of.facts) for of in sources]) == {
        "P1": "north",
        "TCGA-AA-3516": "AA",
    }


def test_all_problems_of_a_manifest_come_at_once(tmp_path):
    lines = ["P1,a.svs,0.5,north", "P1,b.svs,0.5,south", "P2,a.svs,zero,north", ",c.svs,,", "P3,,,"]
    path = write_slides(tmp_path, lines)
    (tmp_path / "c.svs").unlink()
    found = "\n".join(str(problem) for problem in problems_of(read_slides, path))
    for text in (
        "patient P1: 2 sites: north, south",
        "slide a: 2 lines, of patient P1 and P2",
        "mpp 'zero'",
        "the patient is empty",
        "the slide does not exist",
        "the slide is empty",
    ):
        assert text in found


def bulk(*patients):
    return BulkTable(
        patients=patients, genes=("A",), values=np.ones((len(patients), 1)), unit="counts"
    )


def test_patients_with_one_half_only_are_listed(tmp_path):
    sources = read_slides(write_slides(tmp_path, ["P1,a.svs,,", "P2,b.svs,,", "P3,c.svs,,"]))
    both, notes = matched(sources, bulk("P2", "P1", "P9"), tmp_path / "t.csv")
    assert both == ("P1", "P2")
    assert notes == (
        "left out, 1 patients without a slide: P9",
        "left out, 1 patients without expression: P3",
    )


def test_a_table_of_other_patients_shows_three_names_of_each(tmp_path):
    sources = read_slides(write_slides(tmp_path, [f"P{i},{i}.svs,," for i in range(5)]))
    names = [f"TCGA-{i}" for i in range(5)]
    (problem,) = problems_of(matched, sources, bulk(*names), tmp_path / "t.csv")
    assert "TCGA-0, TCGA-1, TCGA-2, ..." in problem.found
    assert "P0, P1, P2, ..." in problem.found


def test_a_bag_without_tiles_is_refused_by_name():
    with pytest.raises(DataContractError, match="bag P7: no tile on a, b"):
        Bag(name="P7", patient="P7", rows={"a": np.arange(0), "b": np.arange(0)})
