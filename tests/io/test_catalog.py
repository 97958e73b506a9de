"""The catalog: names every missing file, and finds published and flat trees alike."""

from pathlib import Path

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.catalog import CATALOG, catalog_sources
from histoscribe.io.cohort import check_cohort, read_cohort


@pytest.fixture
def her2st(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
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


def test_without_the_folder_the_way_to_it_is_told(monkeypatch):
    monkeypatch.delenv("HISTOSCRIBE_DATA", raising=False)
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
