"""The sentences at the top of the page say what the numbers of the run say, and no more."""

import pandas as pd

from histoscribe.report.run import read_run
from histoscribe.report.verdict import verdict
from tests.report.made import make_run


def said(folder):
    return " ".join(verdict(read_run(folder)))


def test_the_best_model_is_named_with_its_numbers(tmp_path):
    text = said(make_run(tmp_path / "run"))
    assert "**ridge** has the highest `pcc_given_depth`: **0.160**" in text
    # 0.16 by the summary; the made-up scores add 0.1 a patient
    assert "(by patient: 000 0.160, 001 0.260, 002 0.360)" in text
    assert (
        "2.6 % of its variation between spots explained, of the variation that depth leaves" in text
    )
    assert "**2 of 4** genes" in text
    assert "(`depth`) reaches `pcc` 0.100; ridge 0.200" in text


def test_a_model_inside_the_band_has_nothing_to_claim(tmp_path):
    folder = make_run(tmp_path / "run")
    assert "lies **above** that" in said(folder)
    summary = pd.read_csv(folder / "summary.csv")
    summary.loc[summary["model"] == "ridge", "mean"] = 0.01
    summary.to_csv(folder / "summary.csv", index=False)
    assert "lies **inside** that, so it shows nothing beyond chance" in said(folder)


def test_a_score_below_zero_explains_nothing_and_no_gene_is_a_false_positive(tmp_path):
    folder = make_run(tmp_path / "run")
    summary = pd.read_csv(folder / "summary.csv")
    summary.loc[summary["model"] == "ridge", "mean"] = -0.2
    summary.to_csv(folder / "summary.csv", index=False)
    genes = pd.read_csv(folder / "genes.csv", keep_default_na=False)
    genes.assign(q=0.5).to_csv(folder / "genes.csv", index=False)
    text = said(folder)
    assert "explained" not in text
    assert "false positive" not in text


def test_genes_above_their_band_are_told_even_where_no_q_is_small(tmp_path):
    folder = make_run(tmp_path / "run")
    genes = pd.read_csv(folder / "genes.csv", keep_default_na=False)
    genes.assign(q=0.06).to_csv(folder / "genes.csv", index=False)
    text = said(folder)
    assert "**2 of 4** genes lie above their own band for ridge; by chance up to 0 would." in text
    assert "**0** of them have q < 0.05 (100 shuffled runs give a gene" in text
    assert "no q below 0.0099" in text
    genes.assign(q=0.01).to_csv(folder / "genes.csv", index=False)
    assert "**2** of them have q < 0.05, and about one in twenty of these is" in said(folder)


def test_a_leaky_run_says_first_what_it_cannot_say(tmp_path):
    leaky = make_run(tmp_path / "leaky", leaky="sections of one patient on both sides")
    assert said(leaky).startswith("**These scores say nothing about new patients**")
    assert "new patient" not in said(make_run(tmp_path / "honest"))


def test_few_patients_rank_no_models_and_many_may(tmp_path):
    assert "cannot be ranked" in said(make_run(tmp_path / "few", n_patients=3))
    assert "cannot be ranked" not in said(make_run(tmp_path / "many", n_patients=6))
