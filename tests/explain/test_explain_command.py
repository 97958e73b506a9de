"""The verb `explain`."""

import json

import pytest

from tests.cli.small import histoscribe

__all__ = ["histoscribe"]


def test_the_command_prints_the_finding_with_its_chance_level_and_caveats(
    histoscribe, explained, tmp_path
):
    out, predictor = tmp_path / "why", explained.folder / "egn"
    gene = explained.predictor.gene_labels[1]
    done = histoscribe(
        "explain", "exemplars", predictor, explained.manifest, "--gene", gene, "--out", out
    )
    assert done.code == 0
    finding = json.loads((out / "finding.json").read_text())
    assert finding["about"]["gene"] == gene
    assert f"found: leaning {finding['statistic'][0]['value']:.3f}" in done.out
    assert "beside: own_look_swapped" in done.out
    assert "beware: Exemplars are what the model received, not the reason" in done.out
    for name in (*finding["figures"], *finding["tables"], "finding.json"):
        assert f"{out / name}\n" in done.out
        assert (out / name).stat().st_size > 0
    again = histoscribe(
        *("explain", "exemplars", predictor, "--cohort", explained.manifest),
        *("--set", f"gene={gene}", "--out", out),
    )
    assert again.code == 0, "the same question in other words"


def test_questions_are_listed_without_a_question(histoscribe):
    for arguments in (("explain",), ("explain", "--help")):
        done = histoscribe(*arguments)
        listed = done.out + done.err
        assert "Which training spots does a model look up for a spot" in listed
        assert "Does a network group spots by their tissue" in listed


def test_an_unknown_question_and_a_label_file_that_is_missing_are_told(
    histoscribe, explained, tmp_path
):
    arguments = (explained.folder / "egn", explained.manifest, "--out", tmp_path / "why")
    done = histoscribe("explain", "saliency", *arguments)
    assert done.code == 2
    assert "expected: one of where, " in done.err
    done = histoscribe("explain", "latent", *arguments, "--labels", "P1S1=lost.csv")
    assert done.code == 2
    assert "lost.csv: no such file" in done.err
    assert not (tmp_path / "why").exists()


@pytest.mark.parametrize(
    ("positionals", "message"),
    [
        ((), "no predictor"),
        (("cohort.csv",), "no predictor"),
        (("egn",), "no cohort"),
        (("egn", "cohort.csv", "--cohort", "cohort.csv"), "two cohorts"),
        (("egn", "egn", "cohort.csv"), "2 predictors"),
        (("lost", "cohort.csv"), "a predictor folder"),
        (("egn", "lost.csv"), "lost.csv"),
    ],
)
def test_predictors_and_cohort_are_told_apart(
    histoscribe, explained, tmp_path, monkeypatch, positionals, message
):
    monkeypatch.chdir(explained.folder)
    (explained.folder / "cohort.csv").touch()
    done = histoscribe("explain", "exemplars", *positionals, "--out", tmp_path / "why")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "why").exists()
