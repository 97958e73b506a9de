"""The library from data in memory to scores and maps, as the docs promise it."""

from dataclasses import replace

import numpy as np
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.train.arguments import run_cohort
from histoscribe.train.settings import parse_settings
from tests.io.cohorts.test_in_memory import pixels, section

INPUTS = {"tile_px": 16, "mpp": 0.5, "encoder": "mean_colour"}
NAMES = ("S1", "S2", "S3")


def in_memory(seed=0):
    return hs.cohort_of(
        {name: section(seed + n) for n, name in enumerate(NAMES)},
        {name: pixels(seed + n) for n, name in enumerate(NAMES)},
        {name: f"P{n}" for n, name in enumerate(NAMES)},
        mpp=0.5,
    )


def options(folder):
    return {"inputs": INPUTS, "target": {"n_genes": 3}, "cache": folder / "cache"}


@pytest.fixture(scope="module")
def scores(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        return hs.benchmark(
            in_memory(), ["mean", "ridge"], out=str(place / "run"), **options(place)
        )


def test_a_run_of_a_cohort_in_memory_says_so_and_goes_on_by_its_data(scores, place):
    text = (place / "run" / "settings.toml").read_text()
    assert 'cohort = "memory"' in text
    assert (place / "run" / "data" / "S1.json").is_file()
    again = hs.benchmark(in_memory(), ["mean", "ridge"], out=place / "run", **options(place))
    assert again.summary.equals(scores.summary)
    with pytest.raises(DataContractError, match="other settings or data"):
        hs.benchmark(in_memory(9), ["mean", "ridge"], out=place / "run", **options(place))
    with pytest.raises(DataContractError, match="with the cohort again"):
        hs.benchmark(settings=place / "run" / "settings.toml", cache=place / "cache")


def test_a_result_shows_its_means(scores):
    assert "pcc_given_depth" in repr(scores)
    assert "ridge" in scores._repr_html_()
    assert {"model", "metric", "mean"} <= set(scores.summary.columns)


def test_a_run_draws_its_models_and_a_gene_by_symbol_or_id(scores, tmp_path):
    gene = str(scores.genes["gene"][0])
    assert scores.figure("models", width="single").width_mm == pytest.approx(88)
    scores.plot(gene).savefig(tmp_path / "map.svg")
    words = (tmp_path / "map.svg").read_text("utf-8")
    assert "predicted by ridge</text>" in words
    assert "(median score of 3 sections)" in words
    named = scores.plot(gene, model="mean", section="S2")
    named.savefig(tmp_path / "mean.svg")
    assert "section S2, patient P1</text>" in (tmp_path / "mean.svg").read_text("utf-8")
    assert "0 (constant prediction)" in (tmp_path / "mean.svg").read_text("utf-8")


def test_a_figure_of_a_run_names_all_that_the_run_lacks(scores):
    with pytest.raises(DataContractError) as found:
        scores.plot("NOT1", model="rigde", section="S9")
    assert [problem.where for problem in found.value.problems] == [
        *("gene NOT1", "model rigde", "section S9")
    ]
    assert "did you mean ridge?" in found.value.problems[1].remedy
    with pytest.raises(ValueError, match="a map needs a gene"):
        scores.figure("map")


def test_training_takes_the_settings_of_the_scores_and_carries_them(scores, place):
    predictor = hs.train(in_memory(), "ridge", scores=scores, cache=place / "cache")
    assert predictor.target.genes
    assert len(predictor.target.genes) == 3
    assert not predictor.gene_scores.why_unknown
    folder = predictor.folder
    assert folder.is_dir()
    del predictor
    assert not folder.exists()


def test_without_a_folder_a_run_lies_in_one_that_goes_with_its_result(place):
    cohort = in_memory()
    result = hs.benchmark(cohort, "mean", **options(place))
    folder = result.folder
    assert (folder / "summary.csv").is_file()
    del result
    assert not folder.exists()


def test_a_mistake_is_told_before_any_work_and_leaves_no_folder(place):
    with pytest.raises(DataContractError, match="did you mean n_genes"):
        hs.benchmark(in_memory(), "mean", out=place / "none", target={"n_gene": 3})
    assert not (place / "none").exists()


def test_a_filter_of_a_cohort_in_memory_is_refused(place):
    with pytest.raises(DataContractError, match="already filtered"):
        hs.benchmark(in_memory(), "mean", filters={"min_umi": 3}, out=place / "none")


def test_weights_that_start_from_gene_sets_are_no_filter_of_a_cohort_in_memory():
    table = {
        "cohort": "memory",
        "models": ["stformer"],
        "settings": {"stformer": {"pathway_init": "init"}},
        "pathways": {"sets": "sets.gmt"},
    }
    assert run_cohort(in_memory(), parse_settings(table, "a test")).ids == NAMES


def test_sections_can_be_chosen_of_a_cohort_in_memory(place):
    predictor = hs.train(in_memory(), "mean", sections=["S1", "S3"], **options(place))
    assert sorted(predictor.card.sections) == ["S1", "S3"]


def test_a_prediction_is_scored_and_drawn_beside_its_counts(place, monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)
    cohort = in_memory()
    predictor = hs.train(cohort, "ridge", sections=["S1", "S2"], **options(place))
    held_out = cohort["S3"]
    truth = predictor.target.apply(held_out)
    prediction = replace(predictor(held_out, place / "cache"), values=2 * truth + 1)
    table = hs.score_section(prediction, held_out, predictor)
    np.testing.assert_allclose(table["pcc"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(table["mse"], np.mean((truth + 1) ** 2, axis=0), rtol=1e-4)
    gene = prediction.genes[1]
    files = hs.figures(prediction, held_out, [gene], out=place / "maps", predictor=predictor)
    assert [file.name for file in files] == [f"{gene}.pdf", f"{gene}.svg"]
    assert "pcc 1.00</text>" in files[1].read_text("utf-8")
    alone = hs.figures(prediction, held_out.slide, out=str(place / "alone"))
    assert len(alone) == 2 * 3
    with pytest.raises(DataContractError, match="gene NOT1: no gene of"):
        hs.figures(prediction, held_out, ["NOT1"], out=place / "maps")
    with pytest.raises(DataContractError, match="the section that was predicted"):
        hs.score_section(prediction, cohort["S3"].take(np.arange(5)), predictor)
