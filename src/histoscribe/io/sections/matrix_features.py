"""What a gene is: the rows of a count matrix that are none are left out, for every reader alike.

A count matrix also lists antibodies, guides, control probes, the summary of a counting program, a
column of totals, or a second species. Their molecules are part of no gene, so they must not be part
of a spot's total either.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.genomes import without_genome


@dataclass(frozen=True, kw_only=True)
class MatrixFeatures:
    """Features of a count matrix as a file lists them; not all of them need be genes."""

    ids: Sequence[str]
    names: Sequence[str]
    """Symbols where known, else the ids."""
    kinds: Sequence[str] | None = None
    """Feature type of each, e.g. `Gene Expression`; None if the file has no such column."""
    genomes: Sequence[str] | None = None
    """Reference genome of each; None if the file has no such column."""


@dataclass(frozen=True, eq=False)
class GeneColumns:
    """Features that are genes of one genome."""

    columns: Int[np.ndarray, " A"]
    """Their columns in the matrix, in its order."""
    ids: tuple[str, ...]
    """Ids without the name of the genome in front."""
    names: tuple[str, ...]
    notes: tuple[str, ...]
    """What was left out, with the number of features and their share of all molecules."""


_SUMMARY = (
    r"__.+|N_(?:unmapped|multimapping|noFeature|ambiguous)|Unassigned_\w+|no_?feature|ambiguous|"
    r"too_low_aQual|not_aligned|alignment_not_unique"
)
_TOTAL = (
    r"(?:row_?|grand_?)?(?:totals?|sums?)(?:_?counts?|_?umis?)?|umis?|library_?size|"
    r"n_?(?:counts?|umis?|reads|genes?|features?)(?:_\w+)?|(?:pct|percent)[._]\w+"
)
_CONTROL = (
    r"(?:NegControl|NegPrb|NegProbe|NegCtrl|Neg_?Control_?|antisense_|Unassigned_?Codeword|"
    r"Deprecated_?|Intergenic_Region|Genomic_?Control|SystemControl|SysControl|FalseCode).*|"
    r"blank(?:[-_ ]?\d+)?(?:_\w+)?|Negative_?\d+|ERCC-\d{5}"
)
_TAG = (
    r".*TotalSeq.*|.+[-_.]Total[A-D]|.*isotype.*|"
    r"(?:ADT|HTO|Hashtag)[-_]?\d+\w*|(?:ADT|HTO)[-_].*"
)
_NO_GENE = re.compile(
    f"(?P<summary>{_SUMMARY})|(?P<total>{_TOTAL})|(?P<control>{_CONTROL})|(?P<tag>{_TAG})",
    re.IGNORECASE,
)
"""Names that no gene has: HTSeq, STAR and featureCounts; totals; probes of Xenium, MERSCOPE, CosMx
and Visium, spike-ins; tags of antibodies.
"""
_TOTALS = "totals"
_WORDS = {
    "summary": "summary of a counting program",
    "total": _TOTALS,
    "control": "control",
    "tag": "antibody tag",
}
_GENE_KINDS = frozenset({"gene expression", "gene", "genes", "gex", "rna", "mrna", "expression"})
_BIOTYPE = "protein coding"
"""A column with this value holds biotypes of genes (cellxgene), not kinds of features."""
_NO_BIOTYPE = re.compile(r"capture|control|codeword|spike|ercc|peak|antibod|guide|tag")
_BLANK = frozenset({"", "na", "nan", "none", "<na>", "-", "."})
_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}(\.\d+)?")
_SOME = 5


def is_summary(name: str) -> bool:
    """Whether a line counts reads without a gene, as HTSeq, STAR and featureCounts write it.

    >>> is_summary("__no_feature"), is_summary("N_unmapped"), is_summary("TP53")
    (True, True, False)
    """
    return re.fullmatch(_SUMMARY, name, re.IGNORECASE) is not None


def genes_of(
    matrix: sp.csr_matrix, features: MatrixFeatures, where: str, genome: str | None
) -> GeneColumns:
    """Choose the genes of one genome among the features of a matrix [N, features].

    Left out are features of another type (antibodies, guides), features named like control probes,
    codewords, spike-ins, the summary of a counting program or a total, a column that equals the sum
    of all others at every spot, and the genes of another genome than `genome` (without a choice:
    than the one with most of the molecules).

    Raises
    ------
    DataContractError
        if the feature types do not say which features are genes, if no feature is a gene, or if no
        genome has most of the molecules.
    """
    n_molecules = np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()
    reason = np.full(len(features.ids), "", dtype=object)
    notes = _mark_kinds(reason, features, where)
    _mark_names(reason, features)
    for among in (np.ones(len(reason), dtype=bool), reason == ""):
        reason[_totals(matrix, n_molecules, among)] = _TOTALS
    columns = np.flatnonzero(reason == "").tolist()
    if len(reason) and not columns:
        raise DataContractError(_no_gene(where, reason))
    notes += _left_out(reason, n_molecules)
    ids, names = ([of[column] for column in columns] for of in (features.ids, features.names))
    genomes = features.genomes and [features.genomes[column] for column in columns]
    one = without_genome((ids, names, genomes), n_molecules[columns], where, genome)
    return GeneColumns(
        np.array(columns, dtype=np.int64)[one.rows], one.ids, one.names, (*notes, *one.notes)
    )


def _mark_kinds(reason: np.ndarray, features: MatrixFeatures, where: str) -> tuple[str, ...]:
    """Write the type of every feature that is no gene into `reason`; gives notes."""
    if features.kinds is None:
        return ()
    words = [_plain(kind) for kind in features.kinds]
    distinct = set(words) - _BLANK
    if not distinct:
        return ("no feature has a type: all of them are taken as genes",)
    if _BIOTYPE in distinct and not distinct & _GENE_KINDS:
        is_gene = [_NO_BIOTYPE.search(word) is None for word in words]
    elif distinct & _GENE_KINDS:
        is_gene = [
            word in _GENE_KINDS or (word in _BLANK and _ENSEMBL.fullmatch(id_) is not None)
            for word, id_ in zip(words, features.ids, strict=True)
        ]
    else:
        raise DataContractError(_unknown_kinds(where, features.kinds))
    for row in np.flatnonzero(~np.array(is_gene, dtype=bool)).tolist():
        reason[row] = str(features.kinds[row]).strip() or "no feature type"
    told = distinct & _GENE_KINDS - {"gene expression"}
    if told and "gene expression" not in distinct:
        return (f"features of type {', '.join(sorted(told))} are taken as genes",)
    return ()


def _plain(kind: str) -> str:
    return str(kind).strip().lower().replace("_", " ").replace("-", " ")


def _mark_names(reason: np.ndarray, features: MatrixFeatures) -> None:
    for names in (features.ids, features.names):
        for row, name in enumerate(names):
            if not reason[row] and (match := _NO_GENE.fullmatch(name)):
                reason[row] = _WORDS[str(match.lastgroup)]


def _totals(
    matrix: sp.csr_matrix, n_molecules: np.ndarray, among: Bool[np.ndarray, " A"]
) -> list[int]:
    """Columns that equal the sum of all others at every spot, where at least three have counts."""
    whole = n_molecules[among].sum()
    likely = np.flatnonzero(among & (2 * n_molecules == whole) & (n_molecules > 0))
    if not len(likely) or (n_molecules[among] > 0).sum() < 3:
        return []
    depth = np.asarray(matrix[:, np.flatnonzero(among)].sum(axis=1), dtype=np.float64).ravel()
    if len(np.unique(depth)) < 3:
        return []
    return [
        int(column)
        for column in likely
        if np.array_equal(2.0 * matrix[:, [column]].toarray().ravel(), depth)
    ]


def _left_out(reason: np.ndarray, n_molecules: np.ndarray) -> tuple[str, ...]:
    out = reason != ""
    if not out.any():
        return ()
    share = 100 * n_molecules[out].sum() / max(n_molecules.sum(), 1.0)
    listed = ", ".join(f"{what} {n}" for what, n in Counter(reason[out]).most_common())
    return (
        f"{out.sum()} features that are no genes were left out, with {n_molecules[out].sum():,.0f} "
        f"counts ({share:.3g} % of all): {listed}",
    )


def _unknown_kinds(where: str, kinds: Sequence[str]) -> Problem:
    common = Counter(str(kind) or "(empty)" for kind in kinds).most_common(_SOME)
    listed = ", ".join(f"{kind!r} {n} times" for kind, n in common)
    return Problem(
        where=where,
        found=f"no feature has the type 'Gene Expression'; the types are {listed}",
        expected="the type 'Gene Expression' at every gene (third column of features.tsv, "
        "`feature_type` of an .h5, `feature_types` of AnnData), or no types at all",
        remedy="write 'Gene Expression' there for the genes, or remove the column if all features "
        "are genes",
    )


def _no_gene(where: str, reason: np.ndarray) -> Problem:
    listed = ", ".join(f"{what} {n}" for what, n in Counter(reason).most_common(_SOME))
    return Problem(
        where=where,
        found=f"none of {len(reason)} features is a gene: {listed}",
        expected="counts of genes",
        remedy="give the matrix of gene expression of this section",
    )
