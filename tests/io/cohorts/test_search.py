"""Sections in folders: each kind is found, what is none is passed over with its reason."""

import csv
import gzip
import os
import shutil
from pathlib import Path

import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.manifest import read_manifest
from histoscribe.io.cohorts.new_cohort import MANIFEST, SETTINGS, write_cohort
from histoscribe.io.cohorts.search.cohort_search import search_sections
from histoscribe.io.cohorts.search.listing import section_key
from histoscribe.io.sections.readers import READERS
from histoscribe.io.sections.source import Source
from tests.io.conftest import Writer
from tests.io.sections.test_run_files import flattened


@pytest.fixture
def folder(tmp_path):
    """Give a function that makes a folder with a writer of sections."""

    def make(name: str) -> Writer:
        (tmp_path / "in" / name).mkdir(parents=True)
        return Writer(tmp_path / "in" / name)

    return make


def fill(manifest: Path, **cells: str) -> None:
    """Fill columns by hand; each section is of another person."""
    lines = list(csv.DictReader(manifest.read_text().splitlines()))
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0] | cells)
        writer.writeheader()
        writer.writerows({**line, "patient": f"P{n}", **cells} for n, line in enumerate(lines))


BY_HAND = {
    **{"h5ad": {"mpp": "5"}, "sparse": {"mpp": "5"}},
    **{"hest": {"st_technology": "Visium"}, "visium_hd": {"pool": "none"}},
}
"""What no file of the kind says."""


@pytest.mark.parametrize("kind", READERS)
def test_a_section_of_every_kind_is_found_and_read(folder, tmp_path, kind):
    writer = folder("S1")
    written = writer.write(kind)
    found = search_sections([tmp_path / "in"])
    (source,) = found.sources
    assert (source.kind, found.passed) == (kind, ())
    for column in ("image", "counts", "spots"):
        assert getattr(source, column) in (getattr(written, column), None), column
    manifest, _ = write_cohort(found.sources, tmp_path / "out")
    assert source.patient == ("BC1" if kind == "stnet" else "")
    fill(manifest, **BY_HAND.get(kind, {}))
    (section,) = read_cohort(manifest)
    assert (section.measured.matrix.toarray() == writer.truth.counts).all()


def test_an_empty_patient_stops_with_a_message(folder, tmp_path):
    folder("S1").st()
    manifest, _ = write_cohort(search_sections([tmp_path / "in"]).sources, tmp_path)
    with pytest.raises(DataContractError, match="the patient is empty") as caught:
        read_cohort(manifest)
    assert "fill the column `patient`" in caught.value.problems[0].remedy


def test_sections_of_several_kinds_are_found_at_once_and_named_once(folder, tmp_path):
    folder("a/S1").st()
    folder("b/S1").st2k()
    folder("c").spaceranger("csv", "full")
    flattened(folder("geo").spaceranger("list", "hires", "mtx"))
    found = search_sections([tmp_path / "in" / name for name in ("a", "b", "c", "geo")])
    kinds = {source.section: source.kind for source in found.sources}
    assert kinds == {
        "a_S1": "st",
        "b_S1": "st2k",
        "c": "spaceranger",
        "GSM1_S1": "spaceranger",
    }
    assert {source.image and source.image.name for source in found.sources} == {"he.png", None}


def test_samples_side_by_side_are_a_section_each(folder, tmp_path):
    source = flattened(folder("geo").spaceranger("csv", "hires", "h5"))
    for path in list(source.path.iterdir()):
        shutil.copy(path, path.with_name(path.name.replace("GSM1_S1_", "GSM2_S2_")))
    found = search_sections([tmp_path / "in"])
    assert [source.section for source in found.sources] == ["GSM1_S1", "GSM2_S2"]
    manifest, _ = write_cohort(found.sources, tmp_path / "out")
    fill(manifest)
    assert [len(section.spots) for section in read_cohort(manifest)] == [12, 12]


def test_tables_in_folders_by_kind_are_matched_by_their_names(folder, tmp_path):
    """As her2st keeps them: counts, spots and images apart, named by section."""
    writer = folder("all")
    written = writer.st()
    for name, path, new in (
        ("cnts", written.counts, "B4.tsv.gz"),
        ("spotfiles", written.spots, "B4_selection.tsv"),
        ("imgs", written.image, "B4.png"),
    ):
        (writer.folder / name).mkdir()
        path.rename(writer.folder / name / new)
    (source,) = search_sections([tmp_path]).sources
    assert (source.section, source.kind) == ("B4", "st")


def test_what_is_no_section_is_passed_over_with_its_reason(folder, tmp_path):
    bins = folder("hd/binned_outputs/square_008um/spatial").folder
    (bins / "tissue_positions.parquet").touch()
    lost = folder("no-counts/outs/spatial").folder
    (lost / "tissue_positions.csv").touch()
    (folder("broken").folder / "a.h5ad").write_bytes(b"nonsense")
    (folder("zarr/x.zarr").folder / "zarr.json").write_text("{}")
    alone = folder("alone")
    alone.st()
    (alone.folder / "he.png").unlink()
    sp.save_npz(folder("npz").folder / "counts.npz", sp.csr_matrix((3, 4)))
    found = search_sections([tmp_path / "in"])
    assert found.sources == ()
    reasons = {passed.path.relative_to(tmp_path / "in").parts[0]: passed.reason
               for passed in found.passed}  # fmt: skip
    assert "Visium HD" in reasons["hd"]
    assert reasons["no-counts"] == "no count matrix"
    assert "no AnnData" in reasons["broken"]
    assert "no SpatialData" in reasons["zarr"]
    assert reasons["alone"] == "an array without an image"
    assert "0 lists of genes" in reasons["npz"]
    with pytest.raises(DataContractError, match="no section"):
        write_cohort(found.sources, tmp_path)


def test_a_folder_that_links_to_itself_is_searched_once(folder, tmp_path):
    writer = folder("S1")
    writer.st()
    (writer.folder / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    assert len(search_sections([tmp_path / "in", tmp_path / "in"]).sources) == 1


def test_what_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataContractError) as caught:
        search_sections([tmp_path / "lost", tmp_path / "file"])
    assert [problem.found for problem in caught.value.problems] == ["no such folder", "a file"]


@pytest.mark.parametrize("there", [MANIFEST, SETTINGS])
def test_existing_files_are_never_replaced_and_none_is_written_alone(folder, tmp_path, there):
    folder("S1").st()
    sources = search_sections([tmp_path / "in"]).sources
    (tmp_path / there).write_text("mine")
    with pytest.raises(DataContractError, match="this file exists"):
        write_cohort(sources, tmp_path)
    assert (tmp_path / there).read_text() == "mine"
    assert len({MANIFEST, SETTINGS} & {path.name for path in tmp_path.iterdir()}) == 1


def test_a_failed_write_leaves_neither_file(folder, tmp_path, monkeypatch):
    folder("S1").st()
    sources = search_sections([tmp_path / "in"]).sources
    from histoscribe.io.cohorts import new_cohort

    write = new_cohort.write_text

    def fail(path, text):
        if path.name == SETTINGS:
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(new_cohort, "write_text", fail)
    with pytest.raises(OSError, match="No space"):
        write_cohort(sources, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("x/alignment_table_MOB1.tsv", "MOB1"),
        ("x/MOB1.tsv", "MOB1"),
        ("x/A1_spots_in_app_image.tsv", "A1"),
        ("x/A1_HE_image_dark.png", "A1"),
        ("x/GSM1_S1.ome.tif", "GSM1_S1"),
        ("S1/HE_8192.jpg", "S1"),
        ("S1/counts.tsv.gz", "S1"),
    ],
)
def test_the_name_of_a_file_says_its_section(path, key):
    assert section_key(Path(path)) == key


def test_a_table_that_is_cut_or_zipped_badly_hides_nothing(folder, tmp_path):
    folder("S1").st()
    (tmp_path / "in" / "bad.tsv.gz").write_bytes(gzip.compress(b"x" * 9999)[:-30])
    (tmp_path / "in" / "empty.csv").touch()
    assert len(search_sections([tmp_path / "in"]).sources) == 1


def test_pipes_and_broken_links_are_no_files(folder, tmp_path):
    folder("S1").st()
    os.mkfifo(tmp_path / "in" / "pipe.tsv")
    (tmp_path / "in" / "gone.tsv").symlink_to(tmp_path / "gone")
    assert len(search_sections([tmp_path / "in"]).sources) == 1


def test_a_folder_that_cannot_be_opened_is_told(folder, tmp_path, monkeypatch):
    folder("S1").st()
    closed = folder("closed").folder
    scan = os.scandir

    def scandir(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = search_sections([tmp_path / "in"])
    assert [(p.path, p.reason) for p in found.passed] == [(closed, "the folder cannot be opened")]
    assert len(found.sources) == 1


def test_names_that_a_spreadsheet_would_run_are_defused_and_read_back(tmp_path):
    for name in ("=1+1.h5ad", "@he.png"):
        (tmp_path / name).touch()
    source = Source(
        section="=1+1",
        patient="+P",
        kind="h5ad",
        path=tmp_path / "=1+1.h5ad",
        image=tmp_path / "@he.png",
        facts={"site": "-A"},
    )
    manifest, _ = write_cohort([source], tmp_path)
    cells = manifest.read_text().splitlines()[1].split(",")
    assert cells[:5] == ["'=1+1", "'+P", "h5ad", "'=1+1.h5ad", "'@he.png"]
    (back,) = read_manifest(manifest).sources
    assert (back.section, back.patient, dict(back.facts)) == ("=1+1", "+P", {"site": "-A"})
    assert (back.path, back.image) == (source.path, source.image)
