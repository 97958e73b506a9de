"""Hypotheses are frozen, tested once, and false ones are rare."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.explain.discover.confirmation import RATE
from histoscribe.explain.discover.effects import PatientEffects
from histoscribe.explain.discover.hypotheses import spurious_reasons
from histoscribe.types import Cohort, CohortEntry
from tests.explain.discover.chance import N_PATIENTS, both_steps, old
from tests.explain.discover.painted_pairs import MEASURES, cohort_of, fitted, patients


@pytest.fixture(scope="module")
def training():
    return old()


@pytest.fixture(scope="module")
def frozen(training, tmp_path_factory):
    """The first step, with labels of one section and a known pair."""
    sections, predictor = training
    folder = tmp_path_factory.mktemp("frozen")
    known = folder / "known.csv"
    known.write_text("gene,concept\nBLUE,haematoxylin_density\n")
    return hs.explain(
        "discover",
        predictor,
        cohort_of(sections),
        measures=MEASURES,
        known=known,
        out=folder / "first",
    )


def test(frozen, training, held_out, **settings):
    """The second step."""
    file = frozen if not hasattr(frozen, "folder") else frozen.folder / "hypotheses.json"
    return hs.explain("discover", training[1], cohort_of(held_out), hypotheses=file, **settings)


test.__test__ = False


def copied(frozen, folder):
    """The file of hypotheses in a folder of its own."""
    folder.mkdir()
    return shutil.copy(frozen.folder / "hypotheses.json", folder / "hypotheses.json")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))


def test_hypotheses_have_direction_reasons_and_what_is_known(frozen):
    table = pd.read_csv(frozen.folder / frozen.table, keep_default_na=False)
    first = table.set_index(["gene", "concept"])
    assert first.loc[("BLUE", "haematoxylin_density"), "known"] == "yes"
    assert first.loc[("PALE", "haematoxylin_density"), "direction"] == "falls"
    assert "stain" in first.loc[("PINK", "eosin_density"), "spurious"]
    assert (np.diff(table["effect"].abs()) <= 1e-6).all()
    pairs, chance = frozen.number("n_pairs"), frozen.chance("n_pairs")
    assert pairs.value >= len(table) > 0
    assert frozen.number("largest_effect").value > frozen.chance("largest_effect").high
    assert chance.low <= chance.value <= chance.high


def test_a_pair_that_turns_sign_or_is_explained_is_named():
    def of(patient, effect, depth):
        one = np.full((1, 1), effect)
        given = {"stain": one, "depth": np.full((1, 1), depth), "place": one}
        return PatientEffects(patient, one, one, given)

    sites = {"A": "north", "B": "north", "C": "south"}
    turned = [of("A", 0.5, 0.5), of("B", 0.4, 0.4), of("C", -0.3, -0.3)]
    assert list(spurious_reasons(turned, sites, 0, 0)) == [
        "turns sign in patient C",
        "turns sign in site south",
    ]
    explained = [of("A", 0.5, 0.2), of("B", 0.4, 0.1)]
    assert list(spurious_reasons(explained, {}, 0, 0)) == ["explained by depth"]
    assert list(spurious_reasons([of("A", 0.5, 0.4)], {}, 0, 0)) == []


def test_an_edited_file_is_refused(frozen, training, tmp_path):
    path = tmp_path / "hypotheses.json"
    content = json.loads((frozen.folder / "hypotheses.json").read_text())
    content["items"][0]["effect"] *= -1
    path.write_text(json.dumps(content))
    with pytest.raises(DataContractError, match="edited after they were frozen"):
        test(path, training, patients("New", 1, 7))
    path.write_text("{}")
    with pytest.raises(DataContractError, match="no such file"):
        test(path, training, patients("New", 1, 7))


def test_a_second_test_on_the_same_patients_is_refused_wherever_the_file_lies(
    frozen, training, tmp_path
):
    file = copied(frozen, tmp_path / "a")
    new = patients("New", 2, 7)
    first = test(file, training, new, out=tmp_path / "tested")
    with pytest.raises(DataContractError, match="were tested on patients New0, New1 before"):
        test(file, training, new)
    other = copied(frozen, tmp_path / "b")
    with pytest.raises(DataContractError, match="give sections of other patients"):
        test(other, training, new[:1])
    bytes_before = (first.folder / "finding.json").read_bytes()
    again = test(file, training, new, out=tmp_path / "tested")
    assert (again.folder / "finding.json").read_bytes() == bytes_before
    more = test(other, training, patients("More", 1, 8))
    assert more.number("discoveries").value >= 0


def test_training_patients_and_others_are_kept_apart(frozen, training, tmp_path):
    sections, predictor = training
    new = patients("New", 1, 7)
    with pytest.raises(DataContractError, match="no section of patients who were not in"):
        test(frozen, training, sections)
    with pytest.raises(DataContractError, match="no section of training patients"):
        hs.explain("discover", predictor, cohort_of(new))
    both = cohort_of([*sections, *new])
    with pytest.raises(DataContractError, match="section New0"):
        hs.explain("discover", predictor, both, sections=["Old0", "New0"])
    twin = replace(sections[0], id="X", patient="X")
    renamed = Cohort([CohortEntry("X", "X", lambda: twin)])
    with pytest.raises(DataContractError, match="its image is one from which"):
        hs.explain("discover", predictor, renamed, hypotheses=frozen.folder / "hypotheses.json")


def test_wrong_settings_are_told_at_once(frozen, training, tmp_path):
    sections, predictor = training
    with pytest.raises(DataContractError) as error:
        test(frozen, training, patients("New", 1, 7), most=5, genes=["BLUE"])
    wheres = {problem.where for problem in error.value.problems}
    assert wheres == {"explain discover, genes", "explain discover, most"}
    known = tmp_path / "known.csv"
    known.write_text("gene,tissue\nBLUE,x\n")
    with pytest.raises(DataContractError) as error:
        hs.explain(
            "discover",
            predictor,
            cohort_of(sections),
            genes=["BLEU"],
            measures=["nuclear_aera"],
            known=known,
            sections=["Old9"],
        )
    words = " ".join(problem.remedy for problem in error.value.problems)
    assert len(error.value.problems) == 4
    assert "nuclear_area" in words


def test_regions_of_labels_are_concepts(training, tmp_path):
    sections, predictor = training
    blue = sections[0].counts.matrix[:, 0].toarray().ravel()
    lines = [
        f"{spot},{'blue' if value > np.median(blue) else 'other'}"
        for spot, value in zip(sections[0].spots.ids, blue, strict=True)
    ]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["spot,label", *lines]) + "\n")
    finding = hs.explain(
        "discover",
        predictor,
        cohort_of(sections),
        labels={"Old0": labels},
        measures=["eosin_density"],
    )
    table = pd.read_csv(finding.folder / finding.table)
    pairs = table.set_index(["gene", "concept"])["direction"]
    assert pairs["BLUE", "region blue"] == "rises"
    file = finding.folder / "hypotheses.json"
    new = patients("New", 1, 7)
    with pytest.raises(DataContractError, match="no labels, and hypotheses about region blue"):
        test(file, training, new)
    assert not file.with_suffix(".tests.json").exists(), "no test is spent"
    labels.write_text(labels.read_text().replace(",blue", ",bleu"))
    with pytest.raises(DataContractError, match="about region blue"):
        test(file, training, new, labels={"New0": labels})


def test_other_labels_or_counts_are_another_test_even_in_the_same_folder(
    frozen, training, tmp_path
):
    file = copied(frozen, tmp_path / "a")
    new = patients("New", 1, 7)
    test(file, training, new, out=tmp_path / "tested")
    other = [replace(new[0], counts=patients("New", 1, 8)[0].counts)]
    with pytest.raises(DataContractError, match="other settings or data"):
        test(file, training, other, out=tmp_path / "tested")
    with pytest.raises(DataContractError, match="were tested on patients New0 before"):
        test(file, training, other, out=tmp_path / "again")


def test_a_damaged_record_or_table_is_one_message(frozen, training, tmp_path):
    file = copied(frozen, tmp_path / "a")
    (tmp_path / "a" / "hypotheses.tests.json").write_text("[{}]")
    with pytest.raises(DataContractError, match="the file is damaged"):
        test(file, training, patients("New", 1, 7))
    known = tmp_path / "known.csv"
    known.write_text("gene,concept\nBLUE\n")
    with pytest.raises(DataContractError, match="a line without a gene or a concept"):
        hs.explain("discover", training[1], cohort_of(training[0]), known=known)


@pytest.mark.slow
def test_false_discoveries_in_20_cohorts_are_at_most_the_nominal_rate(tmp_path):
    """Share of false ones among the discoveries, mean over cohorts; and true ones are found."""
    false_shares, of_all, n_true = [], [], []
    for seed in range(20):
        sections = patients("Old", N_PATIENTS, 9000 + seed)
        new = patients("New", N_PATIENTS, 9500 + seed)
        folder = tmp_path / str(seed)
        both_steps(folder, (sections, fitted(sections)), new, least_effect=0.1)
        tested = pd.read_csv(folder / "tested" / "tested.csv", keep_default_na=False)
        of_all.append(share_of_null(tested[tested["q"] <= RATE]))
        discoveries = tested[tested["state"] == "discovery"]
        false_shares.append(share_of_null(discoveries))
        n_true.append((~discoveries["gene"].str.startswith("NULL")).sum())
    print(f"true {sum(n_true)}, false {np.mean(false_shares):.3f}")
    print(f"false with spurious ones {np.mean(of_all):.3f}")
    assert np.mean(false_shares) <= RATE
    assert np.mean(n_true) >= 3


def share_of_null(rows):
    """Share of hypotheses about genes that follow nothing."""
    return rows["gene"].str.startswith("NULL").mean() if len(rows) else 0.0
