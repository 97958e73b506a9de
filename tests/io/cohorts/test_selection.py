"""Sections by columns: the same words for a manifest as for any other table."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import check_cohort, read_cohort
from histoscribe.io.cohorts.selection import choose

ROWS = [
    {"section": "a", "site": "breast", "grade": "1"},
    {"section": "b", "site": "skin", "grade": "1"},
    {"section": "c", "site": "skin", "grade": "2"},
]


def test_every_column_must_fit_and_any_value_of_a_list_does():
    assert choose(ROWS, {}, "a table") == tuple(ROWS)
    assert choose(ROWS, {"site": "skin", "grade": ("1", "2")}, "a table") == tuple(ROWS[1:])


def test_nothing_left_is_told():
    with pytest.raises(DataContractError, match="site = breast; grade = 2"):
        choose(ROWS, {"site": "breast", "grade": "2"}, "a table")


def test_all_that_is_wrong_comes_at_once():
    with pytest.raises(DataContractError) as caught:
        choose(ROWS, {"sight": "skin", "grade": ("3", "4")}, "a table")
    assert [problem.where for problem in caught.value.problems] == [
        "settings, where.sight",
        "settings, where.grade",
        "settings, where.grade",
    ]


def test_a_manifest_is_chosen_from_by_its_columns(writer):
    writer.st()
    path = writer.folder / "cohort.csv"
    path.write_text(
        "section,patient,kind,image,counts,spots,site\n"
        "a,P1,st,he.png,counts.tsv.gz,spots.tsv,breast\n"
        "b,,st,lost.png,counts.tsv.gz,spots.tsv,skin\n"
    )
    assert read_cohort(path, where={"site": "breast"}).ids == ("a",)
    assert check_cohort(path, where={"patient": "P1"}) == []
    assert len(check_cohort(path)) == 2  # the other line is still wrong
