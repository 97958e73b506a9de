"""A run with gene sets: genes and pathways are predicted, scored, banded, drawn and reported."""

import warnings

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.benchmark.band import METRICS, SHUFFLED
from histoscribe.benchmark.cell import cell_prediction, predictor_folder
from histoscribe.benchmark.pathway_scores import activity_in_test
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.data.activity import activity_of_values
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.metrics.chance import SHUFFLED_RUNS
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.predictor.saving import load_predictor
from histoscribe.report import write
from tests import pathway_toy
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.pathway_toy import SCORES
from tests.predict.conftest import MPP, SPACING_UM, draw_slide

SETS = {
    f"SIM_{name}": [f"{family}{n:03d}" for family in families for n in range(1, 7)]
    for name, families in (("ONE", ("COMPARTMENT", "DENSITY")), ("TWO", ("PATHWAY", "LOOKUP")))
}
N_PATHWAYS, N_MEMBERS = 2, 24


@pytest.fixture(scope="module", autouse=True)
def _toy():
    with pathway_toy.registered():
        yield


@pytest.fixture(scope="module")
def cohort(place):
    return tiny_cohort(place / "cohort")


def settings_of(cohort, place, **changes):
    file = place / "sets.gmt"
    sets = {**SETS, "SIM_SMALL": ["PATHWAY001", "ELSEWHERE"]}
    file.write_text("".join("\t".join([name, "about", *of]) + "\n" for name, of in sets.items()))
    table = {
        "sections": ["P1S1", "P2S1"],
        "models": ["ridge", SCORES],
        "target": {"n_genes": 30},
        "pathways": {"sets": str(file), "first": True},
        "settings": {},
        "train": {"epochs": 3, "batch_size": 2},
    }
    return tiny_settings(cohort, **{**table, **changes})


@pytest.fixture(scope="module")
def settings(cohort, place):
    return settings_of(cohort, place)


@pytest.fixture(scope="module")
def result(place, settings):
    return benchmark(settings=settings, out=place / "run", cache=place / "cache")


@pytest.fixture(scope="module")
def plan(result, place, settings):
    return make_plan(settings, place / "run", weights={}, cache=place / "cache")


@pytest.fixture(scope="module")
def table(result):
    return pd.read_csv(result.folder / "pathways.csv")


def test_the_panel_takes_genes_of_the_sets_first(plan):
    for fold in plan.folds:
        genes, pathways = plan.targets[fold.name].genes, plan.pathways[fold.name]
        names = {gene.removeprefix("SIM-") for gene in genes[:N_MEMBERS]}
        assert names == {gene for members in SETS.values() for gene in members}
        assert len(pathways.pathways) == N_PATHWAYS
        assert pathways.card.dropped["SIM_SMALL"] == (1, 2)


def test_scores_of_a_head_are_written_with_their_names(plan):
    fold = plan.folds[0]
    (section,) = fold.test
    prediction = cell_prediction(plan, fold, SCORES, section)
    names = plan.pathways[fold.name].pathways.names
    assert prediction.head.evidence_names == {"pathways": names}
    predictor = load_predictor(predictor_folder(plan.out, SCORES, fold))
    assert predictor.fitted.pathways.names == names
    np.testing.assert_array_equal(
        predictor.fitted.pathways.members, plan.pathways[fold.name].pathways.members
    )
    state = {key: value.double().numpy() for key, value in predictor.model.state_dict().items()}
    standard = plan.run_data.features(None, section, fold) - state["mean"]
    expected = (standard / state["scale"]) @ state["scores.weight"].T + state["scores.bias"]
    np.testing.assert_allclose(prediction.head.evidence["pathways"], expected, atol=1e-3)
    data = hs.to_anndata(prediction)
    assert data.obsm["pathways"].shape == (len(prediction.spots), len(names))
    assert tuple(data.uns["histoscribe"]["columns"]["pathways"]) == names
    text = (predictor.folder / "MODEL_CARD.md").read_text("utf-8")
    assert "SIM_SMALL 1 of 2" in text
    assert "A score of each of 2 pathways" in text
    assert predictor.card.pathways.coverage == plan.pathways[fold.name].card.coverage


def test_a_slide_that_was_never_measured_gets_the_scores_too(plan, tmp_path):
    predictor = load_predictor(predictor_folder(plan.out, SCORES, plan.folds[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        slide = draw_slide(tmp_path / "slide.png")
        prediction = hs.predict_slide(predictor, slide, spacing_um=SPACING_UM, mpp=MPP)
    assert prediction.head.evidence["pathways"].shape == (len(prediction.spots), N_PATHWAYS)
    path = tmp_path / "slide.h5ad"
    hs.to_anndata(prediction).write_h5ad(path)
    again = read_prediction(path).head
    assert again.evidence_names == {"pathways": predictor.fitted.pathways.names}
    np.testing.assert_array_equal(again.evidence["pathways"], prediction.head.evidence["pathways"])


def test_pathways_are_scored_against_measured_activity(plan, table):
    fold = plan.folds[0]
    (section,) = fold.test
    pathways = plan.pathways[fold.name].pathways
    measured = activity_in_test(plan, fold, plan.targets[fold.name], section, pathways)
    prediction = cell_prediction(plan, fold, SCORES, section)
    sources = {
        "scores": prediction.head.evidence["pathways"],
        "genes": activity_of_values(prediction.values, pathways),
    }
    own = table[(table["model"] == SCORES) & (table["section"] == section)]
    for source, predicted in sources.items():
        found = own[own["source"] == source].set_index("pathway").loc[list(pathways.names), "pcc"]
        np.testing.assert_allclose(found, pearson_per_gene(predicted, measured), atol=1e-4)


def test_every_model_has_rows_over_patients_beside_those_of_sections(table, plan):
    overall = table[table["section"] == "*"]
    assert {*zip(overall["model"], overall["source"], strict=True)} == {
        ("ridge", "genes"),
        (SCORES, "genes"),
        (SCORES, "scores"),
    }
    sections = table[table["section"] != "*"]
    keys = ["model", "source", "pathway"]
    by_patient = sections.groupby([*keys, "patient"])["pcc"].mean()
    expected = by_patient.groupby(keys).mean()
    found = overall.set_index(keys)["pcc"]
    np.testing.assert_allclose(found, expected.loc[found.index], atol=1e-4)
    assert (overall["null_low"] < overall["null_high"]).all()
    assert overall["q"].between(0, 1).all()
    assert (overall["members_in_panel"] >= 10).all()


def test_the_band_of_pathways_lies_about_zero(result, plan):
    summary = result.summary.set_index(["model", "metric"])
    for metric in METRICS:
        shuffled = summary.loc[(SHUFFLED, f"pathway_{metric}")]
        assert shuffled["low"] < 0 < shuffled["high"]
        assert np.isfinite(summary.loc[(SCORES, f"pathway_{metric}"), "mean"])
        assert np.isfinite(summary.loc[("ridge", f"activity_{metric}"), "mean"])
    assert SHUFFLED_RUNS == 100


def test_maps_card_and_report_show_the_pathways(result, plan):
    maps = sorted((plan.out / "figures" / "pathways").glob("*/*.png"))
    assert len(maps) == 2 * len(plan.run_data.cohort.ids)
    card = (plan.out / "card.md").read_text("utf-8")
    assert "## Pathways" in card
    assert "SIM_SMALL 1 of 2" in card
    assert "No loss reads measured activity" in card
    page = write(plan.out).read_text("utf-8")
    assert '<h2 id="pathways">Pathways</h2>' in page
    assert "scores of its head" in page
    assert "Measured and predicted activity" in page


def test_a_run_started_again_changes_nothing(result, plan, settings, place):
    before = {path: path.read_bytes() for path in plan.out.rglob("*.csv")}
    benchmark(settings=settings, out=place / "run", cache=place / "cache")
    assert {path: path.read_bytes() for path in plan.out.rglob("*.csv")} == before


def test_other_sets_under_the_same_path_are_another_run(result, cohort, place, settings):
    path = place / "sets.gmt"
    text = path.read_text()
    try:
        path.write_text(text.replace("SIM_ONE", "SIM_OTHER"))
        with pytest.raises(DataContractError, match=r"pathways\.json"):
            benchmark(settings=settings, out=place / "run", cache=place / "cache")
    finally:
        path.write_text(text)


def test_sets_that_do_not_fit_stop_a_run_before_anything_is_written(cohort, place):
    wrong = place / "wrong.gmt"
    wrong.write_text("A\tmouse\t" + "\t".join(name.capitalize() for name in SETS["SIM_ONE"]) + "\n")
    settings = settings_of(cohort, place, pathways={"sets": str(wrong)})
    with pytest.raises(DataContractError, match="another species"):
        benchmark(settings=settings, out=place / "never", cache=place / "cache")
    assert not (place / "never").exists()
