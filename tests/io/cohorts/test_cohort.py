"""Cohorts: manifest problems come at once, sections open late, twins are found."""

from pathlib import Path

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import check_cohort, read_cohort, read_sources
from histoscribe.io.cohorts.twins import twin_images
from histoscribe.io.sections.readers import READERS


@pytest.fixture
def manifest(writer):
    """Two sections of two patients in one folder; gives a function that writes other lines."""
    writer.st()
    writer.spaceranger()
    hires = writer.folder / "outs" / "spatial" / "tissue_hires_image.png"
    hires.write_bytes((writer.folder / "he.png").read_bytes())

    def write(
        *lines: str, header: str = "section,patient,kind,path,image,counts,spots,site"
    ) -> Path:
        path = writer.folder / "cohort.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


A = "a,P1,st,,he.png,counts.tsv.gz,spots.tsv,breast"
B = "b,P2,spaceranger,.,,,,skin"


def test_a_manifest_names_sections_by_paths_relative_to_it(manifest):
    cohort = read_cohort(manifest(B, "", A))
    assert cohort.ids == ("a", "b")
    assert cohort.patients == {"a": "P1", "b": "P2"}
    assert [len(section.spots) for section in cohort] == [12, 12]
    assert read_cohort(manifest(B, A), sections=["b"]).ids == ("b",)


def test_other_columns_are_kept_as_facts(manifest):
    assert [source.facts for source in read_sources(manifest(A, B))] == [
        {"site": "breast"},
        {"site": "skin"},
    ]


def test_a_fact_that_nobody_states_is_not_there(manifest):
    cohort = read_cohort(manifest(A, B.replace("skin", "")))
    assert cohort.facts == {"a": {"site": "breast"}, "b": {}}


def test_facts_are_known_before_a_section_is_opened(manifest, writer):
    cohort = read_cohort(manifest(A, B))
    (writer.folder / "counts.tsv.gz").write_text("nonsense")
    assert cohort.facts == {"a": {"site": "breast"}, "b": {"site": "skin"}}
    assert cohort.subset(["b"]).facts == {"b": {"site": "skin"}}
    assert cohort["b"].facts == cohort.facts["b"]


@pytest.fixture(params=["manifest", "catalog", "hest", "stnet"])
def any_cohort(request, writer, manifest, monkeypatch) -> str:
    """A cohort of every kind that has facts, as a user names it."""
    folder = writer.folder / request.param
    if request.param == "manifest":
        return str(manifest(A, B))
    if request.param == "catalog":
        monkeypatch.setenv("HISTOSCRIBE_DATA", str(writer.folder))
        for section in ("MOB1", "MOB2"):
            for name in (f"{section}.jpg", f"{section}.tsv", f"alignment_table_{section}.tsv"):
                (writer.folder / "mob_st_stutility").mkdir(exist_ok=True)
                (writer.folder / "mob_st_stutility" / name).touch()
        return "catalog:mob-st2k"
    folder.mkdir()
    inside = type(writer)(folder)
    inside.write(request.param)
    if request.param == "hest":
        columns = "id,patient,dataset_title,st_technology,subseries,oncotree_code,mpp"
        sample = "S,P1,A study,Visium,,COAD,"
        (folder / "HEST_v1_0_0.csv").write_text(f"{columns}\n{sample}\n")
    return f"{request.param}:{folder}"


def test_what_where_can_name_is_a_fact_and_every_fact_can_be_named(any_cohort):
    sections = ["MOB1", "MOB2"] if any_cohort.startswith("catalog") else None
    cohort = read_cohort(any_cohort, sections)
    assert all(cohort.facts.values())
    for section, facts in cohort.facts.items():
        assert "" not in facts.values()
        assert not {"section", "patient", "image", "counts", "spots", "mpp"} & set(facts)
        chosen = read_cohort(any_cohort, sections, where={**facts, "section": section})
        assert chosen.facts == {section: facts}
    with pytest.raises(DataContractError) as caught:
        read_cohort(any_cohort, sections, where={"no such fact": "x"})
    (problem,) = caught.value.problems
    named = set(problem.expected.removeprefix("one of ").split(", "))
    fields = {"section", "patient", "kind", "path", "image", "counts", "spots", "mpp", "id"}
    empty = {"subseries"}
    files = {"histology_image", "count_matrix", "spot_coordinates"}
    assert named - fields - files - empty == {name for f in cohort.facts.values() for name in f}


def test_a_byte_order_mark_and_spaces_do_no_harm(manifest):
    path = manifest(A.replace(",", " , "))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_cohort(path).patients == {"a": "P1"}


def test_no_section_is_opened_before_it_is_used(manifest, writer):
    cohort = read_cohort(manifest(A, B))
    (writer.folder / "counts.tsv.gz").write_text("nonsense")
    assert len(cohort["b"].spots) == 12
    with pytest.raises(DataContractError):
        cohort["a"]


def test_all_problems_of_a_manifest_come_at_once(manifest):
    path = manifest(
        "",
        A.replace("P1", ""),
        A,
        B.replace("spaceranger", "spacerange"),
        "c,P3,st,,he.png,lost.tsv,spots.tsv,x",
        "d,P3,h5ad,,he.png,,,x",
    )
    with pytest.raises(DataContractError) as caught:
        read_cohort(path)
    text = [str(problem) for problem in caught.value.problems]
    for part in (
        "line 3, section a: the patient is empty",
        "line 4, section a: another line has this section id",
        "did you mean spaceranger?",
        "counts does not exist",
        "section d: no path",
    ):
        assert any(part in problem for problem in text), part
    assert len(text) == 6
    assert len(check_cohort(path)) == 6


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("mpp", "0,7", "lines of another length"), ("mpp", "-1", "mpp '-1'"),
     ("mpp_from", "guess", "one of user, metadata, pitch")],
)  # fmt: skip
def test_a_bad_um_per_px_is_told(manifest, column, value, message):
    path = manifest(f"b,P,spaceranger,.,{value}", header=f"section,patient,kind,path,{column}")
    with pytest.raises(DataContractError, match=message):
        read_cohort(path)


def test_a_manifest_without_a_needed_column_names_it(manifest):
    with pytest.raises(DataContractError, match="no column patient"):
        read_cohort(manifest("a,st", header="section,kind"))
    with pytest.raises(DataContractError, match="no section"):
        read_cohort(manifest())
    with pytest.raises(DataContractError, match="no such file"):
        read_cohort("nowhere.csv")


def test_an_unknown_section_is_named(manifest):
    with pytest.raises(DataContractError, match="no section z"):
        read_cohort(manifest(A, B), sections=["a", "z"])


def test_a_line_not_asked_for_stops_nobody(manifest):
    path = manifest(A, "c,,st,,lost.png,counts.tsv.gz,spots.tsv,x")
    assert read_cohort(path, sections=["a"]).ids == ("a",)
    with pytest.raises(DataContractError, match=r"lost\.png"):
        read_cohort(path)


def test_a_check_opens_every_section_and_lists_all(manifest, writer):
    assert [p.found for p in check_cohort(manifest(A))] == []
    (writer.folder / "counts.tsv.gz").write_text("nonsense")
    image = writer.folder / "outs" / "spatial" / "tissue_hires_image.png"
    image.write_bytes(image.read_bytes()[:300])
    found = check_cohort(manifest(A, B, "c,,st,,he.png,counts.tsv.gz,spots.tsv,x"))
    assert len(found) == 3
    assert {"the patient is empty", "fewer than two lines"} < {problem.found for problem in found}
    assert any("truncated" in problem.found for problem in found)


def test_sections_with_equal_pixels_are_twins_however_stored(manifest):
    cohort = read_cohort(manifest(A, B, A.replace("a,P1", "c,P1")))
    assert [[twin.id for twin in twins] for twins in twin_images(cohort)] == [["a", "b", "c"]]
    found = [problem.found for problem in check_cohort(manifest(A, B))]
    assert found == ["twins: their images have equal pixels (patient P1 and P2)"]


def test_an_unknown_kind_is_told_what_each_kind_is(manifest):
    with pytest.raises(DataContractError) as caught:
        read_cohort(manifest(B.replace("spaceranger", "visium")))
    (problem,) = caught.value.problems
    assert "spaceranger (Visium" in problem.expected
    assert all(kind in problem.expected for kind in READERS)


def test_two_sections_of_one_patient_may_share_an_image(manifest):
    path = manifest(A, A.replace("a,P1", "c,P1"))
    assert twin_images(read_cohort(path))
    assert check_cohort(path) == []
