"""Several runs on one page: what differs comes first, and the scores are those of the files."""

import html
import json
import re

import pandas as pd
import pytest

from histoscribe.report import compare, write_comparison
from histoscribe.report.gene_pairs import gene_pairs
from histoscribe.report.protocol_differences import different_facts, different_settings
from histoscribe.report.run import read_run
from histoscribe.report.run_tracks import track_chart
from tests.report.made import make_run
from tests.report.test_report_page import Tags


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / "one"), make_run(tmp_path / "two")]


def change_card(run, **changes):
    card = json.loads((run / "card.json").read_text())
    (run / "card.json").write_text(json.dumps({**card, **changes}))


def of_other_genes(run):
    card = json.loads((run / "card.json").read_text())
    next(iter(card["target"].values()))["genes_sha256"] = "cd"
    (run / "card.json").write_text(json.dumps(card))


def test_the_text_states_each_protocol_and_what_differs(tmp_path):
    honest = make_run(tmp_path / "honest")
    leaky = make_run(tmp_path / "leaky", leaky="sections of one patient on both sides")
    text = compare([honest, leaky])
    assert "protocol patient" in text
    assert "protocol section (LEAKY)" in text
    assert "sections of one patient on both sides" in text
    assert "The runs differ in: held out, leak." in text
    of_other_genes(leaky)
    assert "lists of genes" in compare([honest, leaky])


def test_equal_runs_differ_in_nothing(runs):
    contents = [read_run(run) for run in runs]
    assert different_facts(contents) == ()
    assert different_settings(contents) == ()


def test_what_forbids_a_comparison_stands_first_with_its_meaning(runs):
    change_card(runs[1], patients=["000", "009"], versions={"histoscribe": "9"})
    of_other_genes(runs[1])
    facts = different_facts([read_run(run) for run in runs])
    assert [fact.name for fact in facts] == ["tested patients", "lists of genes", "version"]
    assert facts[0].values == ("000, 001, 002", "000, 009")
    assert "Other spots were tested" in facts[0].meaning
    assert facts[-1].meaning == ""


def test_settings_that_differ_go_by_their_names(runs):
    (runs[1] / "settings.toml").write_text('cohort = "/x/c.csv"\n[target]\nn_genes = 9\n')
    (row,) = different_settings([read_run(run) for run in runs])
    assert (row.name, row.values) == ("target.n_genes", ("not set", "9"))


def test_tracks_hold_the_means_and_patients_of_the_files(runs):
    contents = [read_run(run) for run in runs]
    chart = track_chart(contents, "pcc")
    assert [model for model, _ in chart.rows] == ["mean", "depth", "ridge"]
    tracks = dict(chart.rows)["ridge"]
    assert [track.mean.words for track in tracks] == 2 * ["mean 0.200"]
    assert [dot.words for dot in tracks[0].patients] == [
        "patient 000 0.200", "patient 001 0.300", "patient 002 0.400",
    ]  # fmt: skip
    assert tracks[0].interval is None
    assert tracks[0].band.words == "by chance −0.050 to 0.050"
    zero, best = dict(chart.rows)["mean"][0].mean, tracks[0].mean
    places = [dot.place for dot in (zero, *tracks[0].patients)]
    assert places == sorted(places)
    assert best.place == tracks[0].patients[0].place


def test_a_model_of_one_run_only_has_no_mean_in_the_other(runs):
    summary = pd.read_csv(runs[1] / "summary.csv")
    summary[summary["model"] != "depth"].to_csv(runs[1] / "summary.csv", index=False)
    contents = [read_run(run) for run in runs]
    (of_first, of_second) = dict(track_chart(contents, "pcc").rows)["depth"]
    assert of_first.mean is not None
    assert of_second.mean is None


def test_gene_pairs_are_those_of_both_tables(runs):
    table = pd.read_csv(runs[1] / "genes.csv", keep_default_na=False)
    ridge = (table["model"] == "ridge") & (table["gene"] == "ERBB2")
    table.loc[ridge, "pcc_given_depth"] = 0.9
    table[table["gene"] != "NA"].to_csv(runs[1] / "genes.csv", index=False)
    pairs = gene_pairs(*(read_run(run) for run in runs), (0, 1))
    assert len(pairs.dots) == 3
    assert pairs.n_higher == 1
    assert "ERBB2: 0.000 and 0.900" in [dot.words for dot in pairs.dots]


def test_the_page_is_well_formed_and_loads_nothing(runs, tmp_path):
    (tmp_path / "pages").mkdir()
    first = write_comparison(runs, tmp_path / "pages" / "comparison.html")
    page = first.read_text(encoding="utf-8")
    tags = Tags(page)
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page  # the name of a gene
    assert 'href="../one/report.html"' in page
    assert "default-src 'none'" in html.unescape(page)
    before = first.read_bytes()
    assert write_comparison(runs, first).read_bytes() == before


def test_folders_of_one_name_are_told_apart(tmp_path):
    runs = [make_run(tmp_path / place / "run") for place in "ab"]
    page = write_comparison(runs, tmp_path / "c.html").read_text(encoding="utf-8")
    assert re.search("<strong>1: run</strong>.*<strong>2: run</strong>", page, flags=re.DOTALL)


def test_a_leaky_run_is_branded(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", leaky="of one patient")]
    page = write_comparison(runs, tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Leaky protocol:</strong> of one patient." in page
    assert "Not the same: held out" in page
