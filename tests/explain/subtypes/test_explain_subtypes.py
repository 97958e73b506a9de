"""The question `subtypes` on small made tables."""

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from tests.explain.subtypes.made import QUICK, made_table, predictions
from tests.explain.subtypes.test_claims import frozen


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_table(tmp_path_factory.mktemp("made"))


def asked(files, out=None, **settings):
    return hs.explain(
        "subtypes",
        bulk=files["bulk"],
        labels=files["labels"],
        panel=str(files["panel"]),
        out=out,
        **{**QUICK, **settings},
    )


@pytest.fixture(scope="module")
def answered(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answered")
    claims = frozen(folder / "claims.csv", "gene,class,sign,source\nUP,cold,low,a talk\n")
    return asked(
        made,
        folder / "out",
        claims=str(claims),
        hold={"cold:UP": "flat"},
        predicted=predictions(folder, made, ("UP", "NOISE0")),
    )


def test_planted_genes_tell_the_subtype_and_permuted_labels_do_not(answered):
    number, chance = answered.number("auroc_cold"), answered.chance("auroc_cold")
    assert number.value > 0.95
    assert chance.value < 0.8
    assert chance.low < 0.5 < chance.high
    importances = pd.read_csv(answered.folder / "importances.csv")
    assert set(importances["gene"][:2]) == {"UP", "DOWN"}
    shares = importances.set_index("gene")
    assert shares.loc["UP", "falling"] == shares.loc["DOWN", "rising"] == 1


def test_of_two_classes_the_rarer_one_is_scored(answered):
    scored = pd.read_csv(answered.folder / "subtypes.csv")
    assert set(scored["class"]) == {"cold"}
    assert {"logistic regression", "gradient-boosted trees"} < set(scored["classifier"])
    assert scored["permuted"].dropna().str.split().map(len).eq(QUICK["permutations"]).all()


def test_a_held_shape_is_scored_beside_the_free_one_with_its_cost(answered):
    assert any("Holding shapes costs cold" in words for words in answered.caveat)
    shapes = pd.read_csv(answered.folder / "shapes.csv")
    flat = shapes[shapes["gene"] == "UP"]
    assert (flat["held"] == 0).all()
    assert np.ptp(flat["added_log_odds"]) > 0
    assert "flat" in set(pd.read_csv(answered.folder / "importances.csv")["held"])


def test_a_right_claim_is_supported_by_shape_and_gene(answered):
    claims = pd.read_csv(answered.folder / "claims.csv")
    assert claims["verdict"].tolist() == ["supported"]
    assert answered.number("falling_UP_in_cold").value == 1
    assert answered.number("alone_UP_in_cold").value > answered.chance("alone_UP_in_cold").high


def test_predicted_expression_is_scored_beside_measured(answered):
    names = (f"auroc_mean_{what}" for what in ("measured", "visible", "predicted"))
    measured, visible, predicted = (answered.number(name).value for name in names)
    assert measured > visible > predicted > 0.5  # half of what matters is not visible
    genes = pd.read_csv(answered.folder / "visible_genes.csv").set_index("gene")
    assert set(genes.index[:2]) == {"UP", "NOISE0"}
    assert genes.loc["UP", "share_of_panels_cold"] == 1
    table = pd.read_csv(answered.folder / "visibility.csv").set_index("gene")
    assert table.loc["DOWN", "correlation"] < table.loc["UP", "correlation"]


def test_every_number_has_its_chance_and_every_file_is_there(answered):
    for number in answered.statistic:
        assert np.isfinite(answered.chance(number.name).value)
    for name in (*answered.figures, *answered.tables):
        assert (answered.folder / name).stat().st_size > 0
    coverage = pd.read_csv(answered.folder / "panel.csv").set_index("name")
    assert coverage.loc["ABSENT", "in_table"] == "missing"
    assert "4 of 5 genes of panel.txt; missing: ABSENT" in answered.about["panel"]
    assert any("Survival is shown and not tested: 6 deaths" in of for of in answered.caveat)


def test_the_same_question_gives_the_same_bytes_and_says_what_it_left_out(made, tmp_path):
    part = changed(made, tmp_path, "labels", lambda of: of.iloc[:20])
    findings = [asked(part, tmp_path / name, folds=2) for name in ("first", "second")]
    first, second = ({p.name: p.read_bytes() for p in f.folder.iterdir()} for f in findings)
    assert first == second
    assert "Left out, 4 patients without label: P20, P21, P22, ..." in findings[0].caveat


def problems(files, **settings):
    with pytest.raises(DataContractError) as error:
        asked(files, **settings)
    return "\n".join(str(problem) for problem in error.value.problems)


def changed(made, folder, name, change):
    """The made tables, one of them changed."""
    index = 0 if name == "bulk" else None
    path = folder / f"{name}.csv"
    change(pd.read_csv(made[name], index_col=index)).to_csv(path, index=name == "bulk")
    return {**made, name: path}


def test_fewer_than_two_classes_or_patients_are_told(made, tmp_path):
    one = changed(made, tmp_path, "labels", lambda of: of.assign(kind="hot"))
    assert "1 classes, 24 patients: hot 24" in problems(one)
    few = changed(made, tmp_path, "labels", lambda of: of.iloc[:1])
    assert "1 classes, 1 patients" in problems(few)


def test_classes_with_fewer_members_than_folds_are_told(made, tmp_path):
    few = changed(made, tmp_path, "labels", lambda of: of.iloc[[0, 1, 2, 3, 4, 6, 8]])
    told = problems(few)
    assert "cold has 2" in told
    assert "set folds=2" in told


def test_labels_of_other_patients_are_told(made, tmp_path):
    other = changed(made, tmp_path, "labels", lambda of: of.assign(patient="Q" + of["patient"]))
    assert "no patient of the bulk table: labels of QP00" in problems(other)


def test_an_unknown_label_is_told_with_the_near_ones(made):
    assert "did you mean kind?" in problems(made, label="kid")


@pytest.mark.parametrize(
    ("change", "unit", "message"),
    [
        (lambda of: of - 20, "counts", "negative values"),
        (lambda of: of, "counts", "logged values"),
        (lambda of: pd.concat([of, of.iloc[:1]]), "log", "1 genes repeat: UP"),
    ],
)
def test_values_and_genes_that_no_bulk_table_has_are_told(made, tmp_path, change, unit, message):
    told = problems(changed(made, tmp_path, "bulk", change), unit=unit)
    assert message in told
    assert 'set unit = "log"' in told or unit == "log" or message == "negative values"


def test_claims_and_held_shapes_of_unknown_names_are_told_together(made, tmp_path):
    body = "gene,class,sign,source\nUP,warm,low,x\n"
    claims = frozen(tmp_path / "claims.csv", body)
    told = problems(made, claims=str(claims), hold={"cold:UPP": "flat", "UP": "flat"})
    assert "UP low in warm: no such class" in told
    assert "did you mean UP?" in told
    assert "CLASS:GENE" in told


def test_an_edited_file_of_hypotheses_is_refused(made, tmp_path):
    claims = frozen(tmp_path / "claims.csv", "gene,class,sign,source\nUP,cold,low,x\n")
    claims.write_text(claims.read_text().replace("low", "high"))
    assert "edited after they were frozen" in problems(made, claims=str(claims))


def test_without_expression_or_labels_the_options_are_named(made):
    with pytest.raises(DataContractError, match="--bulk TABLE"):
        hs.explain("subtypes")
    with pytest.raises(DataContractError, match="--labels FILE"):
        hs.explain("subtypes", bulk=made["bulk"], unit="log")


def test_survival_that_is_no_number_is_told(made, tmp_path):
    odd = changed(made, tmp_path, "labels", lambda of: of.assign(days=-1, death="maybe"))
    told = problems(odd)
    assert "24 cells of days like '-1'" in told
    assert "24 cells of death like 'maybe'" in told


def test_predictions_of_other_patients_are_told(made, tmp_path):
    table = pd.read_csv(predictions(tmp_path, made, ("UP",)), index_col=0)
    table.add_prefix("Q").to_csv(tmp_path / "other.csv")
    assert "image-predicted expression" in problems(made, predicted=tmp_path / "other.csv")
