"""Findings in the report of their run, and on a page of their own."""

import json
import re
from dataclasses import replace

import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.finding import Finding, Number, PredictorOrigin
from histoscribe.explain.saved_finding import read_finding
from histoscribe.io.run_folder import read_run_card
from histoscribe.report import write, write_findings
from tests.cli.small import histoscribe
from tests.report.made import draw, make_run
from tests.report.test_report_page import Tags

__all__ = ["histoscribe"]


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def saved(folder, *, folds=None, **changes):
    folder.mkdir()
    draw(folder / "latent.png")
    (folder / "latent.csv").write_text("spot\n")
    finding = Finding(
        question="latent",
        about={"section": "S1", "unit": "log1p"},
        folder=folder,
        figures=("latent.png",),
        tables=("latent.csv",),
        statistic=(Number("purity_label", 0.75, "share of <neighbours>"),),
        null=(
            Number("purity_label", 0.5, "the same by chance", 0.4, 0.6),
            Number("purity_patient", float("nan"), "of another measure"),
        ),
        caveat=("A picture is no proof.",),
        predictors=(PredictorOrigin("ridge", "ab" * 32, folds),),
    )
    replace(finding, **changes).write()
    return folder


def test_a_finding_is_read_as_it_was_written(tmp_path):
    finding = read_finding(saved(tmp_path / "latent", folds="f"))
    assert finding.number("purity_label").value == 0.75
    assert finding.chance("purity_label").high == 0.6
    assert finding.predictors == (PredictorOrigin("ridge", "ab" * 32, "f"),)
    with pytest.raises(KeyError, match="there are purity_label"):
        finding.number("purity")


def test_the_report_shows_a_finding_of_its_run_with_chance_picture_and_links(run, tmp_path):
    folder = saved(tmp_path / "latent", folds=read_run_card(run).folds_sha256)
    assert "Findings" not in write(run).read_text(encoding="utf-8")
    page = write(run, [folder]).read_text(encoding="utf-8")
    tags = Tags(page)
    assert ("href", "#findings") in tags.attributes
    row = re.search(r"purity_<wbr>label</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", page)
    assert row.groups() == ("0.75", "0.5 (0.4 to 0.6)", "share of &lt;neighbours&gt;")
    assert "undefined" in page
    assert "A picture is no proof." in page
    assert 'href="../latent/latent.csv"' in page
    assert page.count("data:image/jpeg") > 0


def test_findings_of_other_predictors_and_broken_ones_are_refused_together(run, tmp_path):
    foreign = saved(tmp_path / "foreign", folds="of another run")
    broken = saved(tmp_path / "broken")
    (broken / "latent.png").unlink()
    before = write(run).read_bytes()
    with pytest.raises(DataContractError) as error:
        write(run, [foreign, broken, tmp_path / "lost"])
    assert [problem.found[:19] for problem in error.value.problems] == [
        "no such file",
        "no such file",
        "a finding about rid",
    ]
    assert (run / "report.html").read_bytes() == before


def test_a_finding_cannot_name_files_outside_of_its_folder(tmp_path):
    folder = saved(tmp_path / "latent")
    content = json.loads((folder / "finding.json").read_text())
    (folder / "finding.json").write_text(json.dumps(content | {"files": ["../secret"]}))
    with pytest.raises(DataContractError, match="no plain file name"):
        read_finding(folder)


def test_findings_without_a_run_have_a_page_of_their_own(histoscribe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [saved(tmp_path / "a"), saved(tmp_path / "b", question="exemplars")]
    done = histoscribe("report", "--findings", *folders)
    assert done.code == 0, done.err
    page = (tmp_path / "findings.html").read_text(encoding="utf-8")
    Tags(page)
    assert ('href="a/latent.csv"' in page, 'href="b/latent.csv"' in page) == (True, True)
    assert "Does a network group spots by their tissue" in page
    assert write_findings(folders, tmp_path / "findings.html").read_text("utf-8") == page


def test_a_report_needs_a_run_or_findings_and_only_one_run_with_findings(
    histoscribe, run, tmp_path
):
    done = histoscribe("report")
    assert (done.code, "no folder" in done.err) == (2, True)
    done = histoscribe("report", run, run, "--findings", saved(tmp_path / "a"))
    assert (done.code, "2 runs and 1 findings" in done.err) == (2, True)
