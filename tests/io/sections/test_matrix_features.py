"""What a gene is: everything else is left out, told, and in no total."""

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures

GENES = ("TP53", "KRT14", "ACTB", "Neg1", "SUMO1", "ERCC1", "BLNK", "ADTRP", "MT-CO1")
"""Real symbols, some of which begin like a control."""
N = len(GENES)
COUNTS = np.random.default_rng(0).integers(1, 9, (12, N))


def read(values, names, *, ids=None, kinds=None, genomes=None, genome=None):
    features = MatrixFeatures(ids=ids or names, names=names, kinds=kinds, genomes=genomes)
    return counts_of(sp.csr_matrix(values), features, "counts.tsv", genome)


def with_column(column, name):
    return np.column_stack([COUNTS, np.broadcast_to(column, len(COUNTS))]), (*GENES, name)


def test_a_matrix_of_genes_stays_as_it_is():
    counts, notes = read(COUNTS, GENES)
    np.testing.assert_array_equal(counts.matrix.toarray(), COUNTS)
    assert (counts.gene_ids, notes) == (GENES, ())


@pytest.mark.parametrize(
    "name",
    [
        "NegControlProbe_00042",
        "NegControlCodeword_0500",
        "antisense_PROKR2",
        "BLANK_0006",
        "Blank-12",
        "UnassignedCodeword_0003",
        "DeprecatedCodeword_0001",
        "DEPRECATED_ENSG00000141510",
        "Intergenic_Region_7",
        "NegPrb10",
        "Negative3",
        "SystemControl4",
        "ERCC-00002",
        "__no_feature",
        "__ambiguous[A+B]",
        "N_multimapping",
        "Unassigned_NoFeatures",
        "alignment_not_unique",
        "too_low_aQual",
        "CD3_TotalSeqB",
        "CD45RA-TotalA",
        "mouse_IgG1k_isotype_control",
        "HTO_1",
        "total",
        "nCount_Spatial",
    ],
)
def test_what_is_no_gene_is_in_no_total(name):
    counts, notes = read(*with_column(1000, name))
    assert counts.gene_ids == GENES
    np.testing.assert_array_equal(counts.total, COUNTS.sum(axis=1))
    (note,) = notes
    assert "1 features that are no genes" in note
    assert "12,000 counts" in note


@pytest.mark.parametrize("beside", [0, 7])
def test_a_column_that_is_the_sum_of_all_others_is_no_gene(beside):
    """Also where the sum counts a line of the counting program."""
    values, names = with_column(beside, "__no_feature")
    values = np.column_stack([values, COUNTS.sum(axis=1) + beside])
    counts, notes = read(values, (*names, "ALL"))
    assert counts.gene_ids == GENES
    assert "totals 1" in notes[0]


def test_a_gene_as_common_as_all_others_is_a_gene():
    values, names = with_column(COUNTS.sum(axis=1)[::-1], "ALB")
    assert read(values, names)[0].gene_ids == names


@pytest.mark.parametrize("kind", ["Antibody Capture", "CRISPR Guide Capture", "Custom"])
def test_features_of_another_type_are_left_out(kind):
    kinds = ["Gene Expression"] * (N - 2) + [kind] * 2
    counts, notes = read(COUNTS, GENES, kinds=kinds)
    assert counts.gene_ids == GENES[:-2]
    assert f"{kind} 2" in notes[0]


@pytest.mark.parametrize("kind", ["gene", "Gene", "GENE EXPRESSION", "gene_expression", "", "nan"])
def test_a_type_that_can_only_mean_genes_is_taken(kind):
    assert read(COUNTS, GENES, kinds=[kind] * N)[0].gene_ids == GENES


def test_biotypes_are_types_of_genes():
    kinds = ["protein_coding"] * (N - 2) + ["lncRNA", "spike-in"]
    counts, notes = read(COUNTS, GENES, kinds=kinds)
    assert counts.gene_ids == GENES[:-1]
    assert "spike-in 1" in notes[0]


@pytest.mark.parametrize("kinds", [["chr1"] * N, ["Antibody Capture"] * 4 + [""] * (N - 4)])
def test_types_that_name_no_gene_are_refused_by_name(kinds):
    with pytest.raises(DataContractError, match=f"{kinds[0]!r}.*times"):
        read(COUNTS, GENES, kinds=kinds)


def test_a_matrix_without_a_gene_is_refused():
    with pytest.raises(DataContractError, match="none of 2 features is a gene: control 2"):
        read(COUNTS[:, :2], ("BLANK_1", "BLANK_2"))


HUMAN = [f"ENSG{number:011d}" for number in range(6)]
MOUSE = [f"ENSMUSG{number:011d}" for number in range(3)]
SYMBOLS = ("A", "B", "C", "D", "E", "F", "Aa", "Bb", "Cc")


@pytest.mark.parametrize(
    ("ids", "names", "genomes"),
    [
        ([*HUMAN, *MOUSE], SYMBOLS, ["GRCh38"] * 6 + ["mm10"] * 3),
        ([*HUMAN, *MOUSE], SYMBOLS, None),
        ([*HUMAN, *MOUSE], SYMBOLS, ["GRCh38_and_mm10"] * 9),
        (
            [*(f"GRCh38_{id_}" for id_ in HUMAN), *(f"mm10___{id_}" for id_ in MOUSE)],
            [*(f"GRCh38_{name}" for name in SYMBOLS[:6]), *(f"mm10___{n}" for n in SYMBOLS[6:])],
            None,
        ),
        (
            [*(f"hg19-{name}" for name in SYMBOLS[:6]), *(f"mm10---{n}" for n in SYMBOLS[6:])],
            None,
            None,
        ),
    ],
    ids=["column", "ensembl", "one-column", "prefix", "seurat"],
)
def test_one_genome_is_read_and_named(ids, names, genomes):
    names = names or ids
    bare = SYMBOLS if "-" in ids[0] else (*HUMAN, *MOUSE)
    counts, notes = read(COUNTS, names, ids=ids, genomes=genomes)
    assert (counts.gene_ids, counts.gene_names) == (tuple(bare[:6]), SYMBOLS[:6])
    np.testing.assert_array_equal(counts.total, COUNTS[:, :6].sum(axis=1))
    assert "genes of human are read, 3 genes of others were left out" in notes[0]
    mouse, _ = read(COUNTS, names, ids=ids, genomes=genomes, genome="mm10")
    assert mouse.gene_ids == tuple(bare[6:])


def test_two_genomes_of_equal_weight_are_asked_about():
    values = np.column_stack([COUNTS[:, :6], 2 * COUNTS[:, :3]])
    with pytest.raises(DataContractError, match="column `genome` of the manifest: human or mouse"):
        read(values, SYMBOLS, ids=[*HUMAN, *MOUSE])
    with pytest.raises(DataContractError, match="no gene of genome 'rn6'"):
        read(values, SYMBOLS, ids=[*HUMAN, *MOUSE], genome="rn6")


def test_two_names_of_one_assembly_are_one_genome():
    genomes = ["GRCh38"] * 4 + ["hg38"] * (N - 4)
    assert read(COUNTS, GENES, genomes=genomes)[0].gene_ids == GENES
