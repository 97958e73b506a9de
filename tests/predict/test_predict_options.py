"""Mistakes in the options end before any work."""

import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.gene_choice import choose_genes
from histoscribe.predictor.saving import load_predictor
from histoscribe.types import Cohort


def test_a_gene_that_the_predictor_lacks_is_told_with_near_names(predictor_folder, tmp_path):
    gene = load_predictor(predictor_folder).target.genes[0]
    asked = Order(
        predictor=predictor_folder,
        targets=("slide.png",),
        out=tmp_path / "out",
        genes=(gene.lower(), gene, "xyzzy"),
    )
    with pytest.raises(DataContractError) as error:
        list(predict(asked))
    first, second = error.value.problems
    assert first.remedy == f"did you mean {gene}?"
    assert "xyzzy" in second.where
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_with_the_options_is_told_at_once(predictor_folder, tmp_path):
    asked = Order(
        predictor=predictor_folder,
        targets=("a/one.svs", "b/one.svs"),
        out=tmp_path / "out",
        mask=tmp_path / "mask.png",
        sections=("A",),
    )
    with pytest.raises(DataContractError) as error:
        list(predict(asked))
    assert len(error.value.problems) == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cohort", ["cohort.csv", "hest:folder"])
def test_options_for_slides_are_refused_where_there_is_none(
    predictor_folder, tmp_path, monkeypatch, cohort
):
    asked = Order(
        predictor=predictor_folder,
        targets=(cohort,),
        out=tmp_path / "out",
        mpp=0.5,
        genes=load_predictor(predictor_folder).target.genes[:1],
    )
    monkeypatch.setattr("histoscribe.predict.order.read_cohort", lambda *_: Cohort([]))
    with pytest.raises(DataContractError) as error:
        list(predict(asked))
    where = [problem.where for problem in error.value.problems]
    assert where == ["--mpp 0.5", f"--gene {asked.genes[0]}"]


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan")])
def test_a_folder_and_an_impossible_px_are_told(predictor_folder, tmp_path, mpp):
    with pytest.raises(DataContractError) as error:
        hs.predict_slide(predictor_folder, tmp_path, mpp=mpp)
    px, folder = error.value.problems
    assert px.where.startswith("--mpp")
    assert str(tmp_path / "*.svs") in folder.remedy


def test_a_gene_may_be_asked_for_by_its_symbol(predictor_folder):
    predictor = load_predictor(predictor_folder)
    gene, other = predictor.target.genes[:2]
    symbol = gene.removeprefix("SIM-")
    assert symbol != gene
    chosen = choose_genes(predictor, (symbol, other, gene))
    assert chosen.genes == (gene, other)
    assert chosen.labels[0] == symbol
    with pytest.raises(DataContractError, match=f"did you mean {symbol}"):
        choose_genes(predictor, (symbol.lower(),))


def test_few_genes_go_all(predictor_folder):
    predictor = load_predictor(predictor_folder)
    assert choose_genes(predictor, ()).genes == predictor.target.genes
    assert choose_genes(predictor, ()).why == "all"
