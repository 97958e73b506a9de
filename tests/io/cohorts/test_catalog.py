"""The catalog: names every missing file, and finds published and flat trees alike."""

from pathlib import Path

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog import CATALOG, catalog_sources
from histoscribe.io.cohorts.cohort import check_cohort, read_cohort
from histoscribe.io.cohorts.published import PUBLISHED


@pytest.fixture
def her2st(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    for section in ("B4", "C2"):
        for name in (f"ST-cnts/{section}.tsv.gz", f"ST-spotfiles/{section}_selection.tsv"):
            (tmp_path / "her2st" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "her2st" / name).touch()
    return tmp_path / "her2st"


def test_published_and_flat_trees_are_both_found(her2st):
    flat, published = her2st / "ST-imgs" / "B4.jpg", her2st / "ST-imgs" / "C" / "C2" / "HE_1.jpg"
    published.parent.mkdir(parents=True)
    flat.touch()
    published.touch()
    sources = catalog_sources("her2st", ["C2", "B4"])
    assert [(s.section, s.patient, s.image) for s in sources] == [
        ("C2", "C", published),
        ("B4", "B", flat),
    ]


def test_every_missing_file_is_named_at_once(her2st):
    with pytest.raises(DataContractError) as caught:
        read_cohort("catalog:her2st", ["A1", "B4"])
    found = " ".join(problem.found for problem in caught.value.problems)
    assert len(caught.value.problems) == 4  # three of A1, the image of B4
    for name in ("A1_HE_image_dark.png", "A1.tsv.gz", "A1_spots_in_app_image.tsv", "ST-imgs/B"):
        assert name in found
    assert len(check_cohort("catalog:her2st", ["A1", "B4"])) == 4


def test_without_the_folder_the_way_to_it_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("HISTOSCRIBE_DATA", raising=False)
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    with pytest.raises(DataContractError, match="set HISTOSCRIBE_DATA"):
        read_cohort("catalog:her2st")


def test_unknown_names_list_the_known(monkeypatch):
    with pytest.raises(DataContractError, match="one of her2st"):
        read_cohort("catalog:her3st")
    with pytest.raises(DataContractError, match="no section B7"):
        read_cohort("catalog:her2st", ["B7"])


def test_each_data_set_says_where_it_is_from_and_under_what_licence():
    for data_set in CATALOG.values():
        assert data_set.source.startswith("https://")
        assert data_set.paper.startswith("10.")
        assert data_set.licence
        assert len({section.section for section in data_set.sections}) == len(data_set.sections)


def test_a_message_gives_the_command_that_downloads(her2st):
    problems = check_cohort("catalog:her2st", ["A1", "B4"])
    by_file = {problem.found.rpartition("/")[2]: problem.remedy for problem in problems}
    assert "histoscribe data her2st --fetch" in by_file["A1.tsv.gz"]
    assert "made from the published data" in by_file["A1_HE_image_dark.png"]


def test_what_is_known_of_a_file_is_of_a_file_of_the_catalog():
    places = {
        f"{entry.folder}/{file.place}"
        for entry in CATALOG.values()
        for section in entry.sections
        for file in section.files
    }
    assert set(PUBLISHED) <= places
    assert all(len(checksum.sha256) == 64 and checksum.size > 0 for checksum in PUBLISHED.values())


def test_every_address_is_of_one_file_and_most_do_not_move():
    files = {
        file.url: (entry.folder, file.place)
        for entry in CATALOG.values()
        for section in entry.sections
        for file in section.files
        if file.url
    }
    assert len(set(files.values())) == len(files)
    for url, (folder, place) in files.items():
        assert url.startswith("https://")
        # a branch may change: then what it must be is known
        assert "/master/" not in url or f"{folder}/{place}" in PUBLISHED


def test_a_section_is_chosen_by_its_patient(her2st):
    with pytest.raises(DataContractError) as caught:
        read_cohort("catalog:her2st", where={"patient": "B"})
    assert [problem.where for problem in caught.value.problems] == ["catalog:her2st, section B4"]


def test_hidden_files_are_not_taken_for_the_image(her2st):
    """Macs leave `._name` beside a file, killed downloads `.histoscribe-...`."""
    folder = her2st / "ST-imgs" / "B" / "B4"
    folder.mkdir(parents=True)
    for name in ("._HE.jpg", ".histoscribe-x.jpg", "HE.jpg"):
        (folder / name).touch()
    (source,) = catalog_sources("her2st", ["B4"])
    assert source.image == folder / "HE.jpg"
