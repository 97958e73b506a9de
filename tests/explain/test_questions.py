"""A question is its own file and one name in a tuple; all else follows from its settings."""

import gc
import json

import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain import questions
from histoscribe.explain.question import Question
from histoscribe.explain.questions import QUESTIONS, find_question
from histoscribe.explain.run import explain
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.strict import StrictSettings
from tests.cli.small import histoscribe
from tests.explain.planted import number
from tests.explain.toy_question import COUNT

__all__ = ["histoscribe"]


@pytest.fixture
def count(monkeypatch):
    """The toy question among the others, in Python and on the command line."""
    from histoscribe.cli import explain as verb
    from histoscribe.cli import main

    monkeypatch.setattr(questions, "QUESTIONS", (*QUESTIONS, COUNT))
    group = next(group for group in main.app.registered_groups if group.name == "explain")
    monkeypatch.setattr(group, "typer_instance", verb.questions_app())


def test_every_question_has_its_own_name_summary_and_settings():
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question.settings for question in QUESTIONS}) == len(QUESTIONS)
    assert all(question.summary.endswith("?") for question in QUESTIONS)


def test_a_setting_needs_words_and_a_name_that_explain_does_not_have():
    class Wordless(StrictSettings):
        gene: str = ""

    class Taken(StrictSettings):
        out: str = ""
        """Where to."""

    for settings, message in ((Wordless, "no text"), (Taken, "out is no name")):
        with pytest.raises(ValueError, match=message):
            Question(name="x", summary="x?", settings=settings, plan=COUNT.plan)


def test_an_unknown_question_names_the_near_ones():
    every = ", ".join(question.name for question in QUESTIONS)
    with pytest.raises(DataContractError, match=f"one of {every}") as error:
        find_question("exemplar")
    assert error.value.problems[0].remedy == "did you mean exemplars?"


def test_a_new_question_is_a_library_call(count, explained, tmp_path):
    finding = explain("count", cohort=explained.manifest, patients="P3", out=tmp_path / "n")
    section = read_cohort(explained.manifest)["P3S1"]
    assert number(finding.statistic, "n_spots") == len(section.spots)
    assert number(finding.null, "n_predictors") == 0
    assert finding.folder == tmp_path / "n"
    again = explain("count", cohort=[section], patients=["P3"])
    assert number(again.statistic, "n_spots") == len(section.spots)


def test_a_new_question_is_a_sub_command_with_its_settings_as_options(
    count, histoscribe, explained, tmp_path
):
    assert "How many spots are there?" in histoscribe("explain", "--help").out
    words = histoscribe("explain", "count", "--help").out
    for option in ("--at-least", "--side-um", "--word", "--patient ", "--file", "--no-by-section"):
        assert option in words
    assert "Smallest number of counts" in words
    assert "spots|places" in words
    given = ("--patient", "P1", "--patient", "P3", "--files", "P1S1=a=b.csv", "--by-section")
    values = ("--at-least", 3, "--side-um", 2.5, "--set", "word=places")
    out = tmp_path / "n"
    done = histoscribe("explain", "count", explained.manifest, *given, *values, "--out", out)
    assert done.code == 0, done.err
    about = json.loads((out / "finding.json").read_text())["about"]
    assert json.loads(about["settings"]) == {
        "at_least": 3,
        "side_um": 2.5,
        "word": "places",
        "patients": ["P1", "P3"],
        "files": {"P1S1": "a=b.csv"},
        "by_section": True,
    }
    assert "beware: A count is no explanation." in done.out


def test_wrong_settings_name_the_near_ones_and_the_values_that_are_allowed(
    count, histoscribe, tmp_path
):
    with pytest.raises(DataContractError) as error:
        explain("count", at_leest=3, word="dots", out=tmp_path / "n")
    problems = {problem.where: problem for problem in error.value.problems}
    assert problems["explain count, at_leest"].remedy.startswith("did you mean at_least")
    assert "'spots' or 'places'" in problems["explain count, word"].found
    run = ("explain", "count", "--out", tmp_path / "n")
    for wrong, message in (
        (("--at-lest", "3"), "--at-least"),
        (("--at-least", "many"), "valid integer"),
        (("--files", "P1S1"), "no '='"),
        (("--set", "wort=spots"), "did you mean word?"),
        (("--set", "word=spots", "--word", "spots"), "word is given twice"),
    ):
        done = histoscribe(*run, *wrong)
        assert done.code == 2
        assert message in done.err
    assert not (tmp_path / "n").exists()


def test_what_a_question_needs_is_asked_for_before_anything_is_opened(tmp_path):
    lost = tmp_path / "lost"
    with pytest.raises(DataContractError) as error:
        explain("concepts", [lost, lost], bulk="bulk.csv")
    with pytest.raises(DataContractError, match="no cohort"):
        explain("latent", lost, [])
    found = [problem.found for problem in error.value.problems]
    assert found == ["2 predictors", "no cohort", "the question concepts reads no bulk expression"]


def test_without_a_folder_the_finding_keeps_a_temporary_one(count, explained):
    finding = explain("count", cohort=explained.manifest)
    folder = finding.folder
    assert (folder / finding.table).is_file()
    del finding
    gc.collect()
    assert not folder.exists()


def test_predictors_and_cohorts_are_taken_loaded_or_by_path(explained, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(explained.folder / "cache"))
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)
    cohort = read_cohort(explained.manifest)
    explain("latent", explained.folder / "egn", explained.manifest, out=tmp_path / "paths")
    explain("latent", [explained.predictor], cohort, out=str(tmp_path / "records"))
    explain("latent", [str(explained.folder / "egn")], list(cohort), out=tmp_path / "sections")
    texts = {path.read_bytes() for path in tmp_path.glob("*/finding.json")}
    assert len(texts) == 1
