"""Sections that share few genes are told, with the reason where one is known."""

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.io.cohorts.gene_overlap import gene_gaps, gene_problems
from histoscribe.io.slides.array import ArraySlide
from histoscribe.types import Counts, Section, Spots

SYMBOLS = tuple(f"GENE{number}" for number in range(100))
ENSEMBL = tuple(f"ENSG{number:011d}" for number in range(100))


def section(name, ids, names=None):
    matrix = sp.csr_matrix(np.ones((2, len(ids)), dtype=np.int32))
    return Section(
        id=name,
        patient="P",
        slide=ArraySlide(name, np.zeros((9, 9, 3), dtype=np.uint8), 1.0),
        spots=Spots(("a", "b"), np.array([[1.0, 1.0], [5.0, 5.0]]), 1.0, 2.0),
        counts=Counts(matrix, tuple(ids), tuple(names or ids)),
    )


def test_sections_with_most_genes_in_common_are_alike():
    same = [section("A", SYMBOLS), section("B", SYMBOLS[:70]), section("C", SYMBOLS[20:])]
    assert gene_gaps(same) == ()


def test_a_gene_panel_is_part_of_a_transcriptome():
    assert gene_gaps([section("A", SYMBOLS), section("B", SYMBOLS[:5])]) == ()


def test_symbols_beside_ids_are_a_problem_that_names_both():
    (problem,) = gene_problems(
        [section("A", SYMBOLS), section("B", SYMBOLS), section("C", ENSEMBL, SYMBOLS)]
    )
    assert problem.where == "sections A, B and C"
    assert "0 genes of 100 are shared" in problem.found
    assert "section A has symbols (GENE0, GENE1, GENE2, ...)" in problem.found
    assert "section C has Ensembl ids (ENSG00000000000" in problem.found
    assert "100 are shared if symbols are compared" in problem.found


def test_symbols_of_two_species_are_a_problem_that_says_so():
    mouse = [symbol.capitalize() for symbol in SYMBOLS]
    (problem,) = gene_problems([section("A", SYMBOLS), section("B", mouse)])
    assert "100 are shared if capitals are ignored (human TP53, mouse Trp53)" in problem.found


@pytest.mark.parametrize(("n_shared", "is_problem"), [(5, True), (6, False), (50, False)])
def test_few_shared_genes_are_told_and_almost_none_are_a_problem(n_shared, is_problem):
    other = (*SYMBOLS[:n_shared], *ENSEMBL[n_shared:])
    (gap,) = gene_gaps([section("A", SYMBOLS), section("B", other)])
    assert gap.n_shared == n_shared
    assert bool(gene_problems([section("A", SYMBOLS), section("B", other)])) == is_problem
