"""Genes are found by id and by symbol, one at a time."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.types import GeneLookup

PAIRS = [("ENSG1", "ERBB2"), ("ENSG2", "TBCE"), ("ENSG3", "TBCE"), ("MT-CO1", "MT-CO1")]


@pytest.fixture
def lookup():
    return GeneLookup(PAIRS, "the run")


def problem_of(lookup, name):
    with pytest.raises(DataContractError) as told:
        lookup.ids([name])
    (problem,) = told.value.problems
    return problem


def test_ids_and_symbols_give_ids_in_their_order(lookup):
    assert lookup.ids(["MT-CO1", "ERBB2", "ENSG2", "ENSG1"]) == ("MT-CO1", "ENSG1", "ENSG2")


def test_a_symbol_of_two_genes_is_an_error_with_their_ids(lookup):
    problem = problem_of(lookup, "TBCE")
    assert problem.found == "the symbol of 2 genes of the run"
    assert problem.remedy == "give its id: ENSG2 or ENSG3"


def test_a_misspelt_gene_is_told_with_the_near_ones(lookup):
    assert problem_of(lookup, "erbb2x").remedy == "did you mean ERBB2?"
    assert "e.g. ERBB2, TBCE" in problem_of(lookup, "zzzzzz").expected


def test_an_id_goes_before_the_symbol_of_another_gene():
    lookup = GeneLookup([("A", "B"), ("B", "C")], "the run")
    assert lookup.ids(["B"]) == ("B",)
