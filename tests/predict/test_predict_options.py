"""Mistakes in the options end before any work."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.predict.genes import choose_genes
from histoscribe.predict.targets import Order, predict
from histoscribe.train.predictor import load_predictor


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
    assert f"did you mean {gene}" in first.remedy
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


def test_few_genes_go_all(predictor_folder):
    predictor = load_predictor(predictor_folder)
    assert choose_genes(predictor, ()).genes == predictor.target.genes
    assert choose_genes(predictor, ()).why == "all"
