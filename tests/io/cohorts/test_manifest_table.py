"""Manifests of spreadsheets: read as they are saved, or told what is wrong with the table."""

import re
import unicodedata
from pathlib import Path

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.bulk_slides import read_slides
from histoscribe.io.cohorts.cohort import read_cohort, read_sources
from histoscribe.io.cohorts.manifest_table import manifest_path

PLAIN = "section,patient,kind,path,image,mpp,site\nä1,P1,spaceranger,.,he.png,0.5,Köln\n"


@pytest.fixture
def source(tmp_path):
    """Give a function that writes a manifest and reads its one section."""
    (tmp_path / "he.png").touch()
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "he.png").touch()

    def read(text: str, encoding: str = "utf-8"):
        (tmp_path / "cohort.csv").write_bytes(text.encode(encoding))
        (line,) = read_sources(tmp_path / "cohort.csv")
        return line

    return read


def with_separator(text: str, separator: str) -> str:
    return text.replace(",", separator)


WAYS = {
    "comma": PLAIN,
    "semicolon": with_separator(PLAIN, ";"),
    "tab": with_separator(PLAIN, "\t"),
    "decimal comma": with_separator(PLAIN, ";").replace("0.5", "0,5"),
    "stated separator": "sep=;\n" + with_separator(PLAIN, ";"),
    "Windows": PLAIN.replace("\n", "\r\n"),
    "old Mac": PLAIN.replace("\n", "\r"),
    "empty columns and lines": PLAIN.replace("\n", ",,,\n") + ",,,,,,,,,\n\n,,,,,,,,,\n",
    "quotes": '"' + PLAIN.strip().replace(",", '","').replace("\n", '"\n"') + '"\n',
    "capitals": PLAIN.replace("section,patient,kind", "Section, Patient ,KIND"),
    "kind in other spelling": PLAIN.replace("spaceranger", "Space Ranger"),
    "no-break spaces": PLAIN.replace("P1", "\xa0P1 "),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("way", WAYS)
def test_a_manifest_is_the_same_however_it_is_saved(source, way, encoding):
    read = source(WAYS[way], encoding)
    assert (read.section, read.patient, read.kind, read.mpp) == ("ä1", "P1", "spaceranger", 0.5)
    assert read.facts == {"site": "Köln"}
    assert read.image.name == "he.png"
    assert any("Windows-1252" in note for note in read.notes) == (encoding == "cp1252")


def test_a_line_may_end_early_where_every_column_is_checked(source):
    read = source("section,patient,kind,path,image,mpp\nS,P,spaceranger,.\n")
    assert (read.image, read.mpp) == (None, None)
    with pytest.raises(DataContractError, match=r"another length than the header: \[2\]"):
        source("section,patient,kind,path,image,site,mpp\nS,P,spaceranger,.,he.png,0.5\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("section,patient,kind,,\nS,P,st,note,\n", "cells in a column without a name"),
        ("section,Section,patient,kind\nS,S,P,st\n", "a column twice"),
        ("section|patient|kind\nS|P|st\n", "no column section, patient, kind among section|pat"),
        ("section,patient,kind\nS,P,st,x,y\n", "another length than the header: [2]"),
        ("PK\x03\x04", "a workbook"),
        ("", "no section"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(source, text, message):
    with pytest.raises(DataContractError, match=re.escape(message)):
        source(text)


@pytest.mark.parametrize("alike", ["p1", "P1\u3000", "Ｐ1"])
def test_one_person_under_two_spellings_is_asked_for(tmp_path, alike):
    (tmp_path / "he.png").touch()
    lines = [f"S{n},{patient},h5ad,he.png,he.png" for n, patient in enumerate(["P1", alike, "P2"])]
    manifest = tmp_path / "cohort.csv"
    manifest.write_text("\n".join(["section,patient,kind,path,image", *lines]), encoding="utf-8")
    if alike.strip() == "P1":
        assert set(read_cohort(manifest).patients.values()) == {"P1", "P2"}
        return
    with pytest.raises(DataContractError, match="one name for one person"):
        read_cohort(manifest)


def test_paths_of_windows_and_of_the_home_folder_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert manifest_path(tmp_path, "a\\b\\c.png") == tmp_path / "a" / "b" / "c.png"
    (tmp_path / "a\\b.png").touch()
    assert manifest_path(tmp_path, "a\\b.png") == tmp_path / "a\\b.png"
    assert manifest_path(tmp_path, "~/scans\\c.png") == tmp_path / "home" / "scans" / "c.png"
    assert manifest_path(tmp_path, "~nosuchuser/c.png") == tmp_path / "~nosuchuser" / "c.png"
    assert manifest_path(tmp_path, "/a/b.png") == Path("/a/b.png")
    assert manifest_path(tmp_path, '"a\\b.png"') == tmp_path / "a\\b.png"
    of_mac = tmp_path / unicodedata.normalize("NFD", "Köln.png")
    of_mac.touch()
    assert manifest_path(tmp_path, unicodedata.normalize("NFC", "Köln.png")).exists()
    assert manifest_path(tmp_path, "x" * 5000 + "\\y").name == "y"


def test_a_manifest_of_slides_is_read_as_a_spreadsheet_saves_it(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.svs").touch()
    text = "Patient;Slide;MPP;Site\nP1;scans\\a.svs;0,25;Köln\n;;;\n"
    (tmp_path / "slides.csv").write_bytes(text.encode("cp1252"))
    (slide,) = read_slides(tmp_path / "slides.csv")
    assert (slide.patient, slide.section, slide.mpp) == ("P1", "a", 0.25)
    assert slide.facts == {"site": "Köln"}


@pytest.mark.parametrize("number", ["1,234", "0,5,0", "-0,5", "zero"])
def test_a_number_that_may_be_another_is_no_number(source, number):
    with pytest.raises(DataContractError, match=f"mpp '{number}'"):
        source(f"section;patient;kind;path;mpp\nS;P;spaceranger;.;{number}\n")
