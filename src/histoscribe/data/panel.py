"""Choice of the panel on training spots: best genes first, ties by gene id."""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from histoscribe.data.measured_genes import Candidates, PanelCounts, TrainingPart
from histoscribe.data.transform import pearson_residuals, size_factors
from histoscribe.errors import DataContractError, Problem
from histoscribe.metrics.spatial import moran_i, neighbour_graph
from histoscribe.ties import best_first
from histoscribe.types import GeneLookup

SEEN_SHARE = 0.05
"""Least share of training spots with a count for a spatially variable gene: a single pair of
neighbours can give a rare gene a high Moran's I.
"""

IN_EACH_SECTION = "variable-in-each-section"
"""Name of the panel whose size follows from the data: genes are taken of each section."""

_ROUNDING = 1e-12  # of sums of float64, in units of the highest score: what is nearer is a tie
_BLOCK = 512
_BLOCK_COUNTS = 5_000 * _BLOCK  # counts written out at a time: 20 MB; fewer genes of more spots
_NAMED = 10  # number of genes listed for each problem


def choose_genes(
    candidates: Candidates,
    panel: str,
    n_genes: int,
    first: Collection[str] = (),
    among: Collection[str] | None = None,
) -> tuple[str, ...]:
    """The `n_genes` best genes of a named panel, best first; constant genes are left out.

    Genes whose id or symbol is in `first` come before all others, except in the panel
    `variable-in-each-section`. With `among`, only genes with these ids are taken: all of them where
    they are fewer than `n_genes`.

    Raises
    ------
    DataContractError
        if there are fewer genes to choose from.
    """
    if panel == IN_EACH_SECTION:
        chosen = variable_in_each_section(candidates, n_genes)
        return tuple(gene for gene in chosen if among is None or gene in among)
    varies = _varies(candidates)
    if among is not None:
        varies &= np.array([gene in among for gene in candidates.genes], dtype=bool)
        n_genes = min(n_genes, max(1, int(varies.sum())))
    if panel == "spatially-variable":
        varies &= _seen_share(candidates) >= SEEN_SHARE
    if varies.sum() < n_genes:
        raise DataContractError(
            Problem(
                where="settings, target.n_genes",
                found=f"{varies.sum()} genes to choose {n_genes} from ({len(candidates.listed)} "
                f"listed, {len(candidates.genes)} measured in every training section)",
                expected=f"at least {n_genes} genes that vary over the training spots",
                remedy=f"set at most {varies.sum()} genes, or use sections that share more",
            )
        )
    score = np.where(varies, PANELS[panel](candidates), -np.inf)
    highest = np.abs(score[varies]).max(initial=0.0)
    best = best_first(score, _ROUNDING * highest)  # candidates are sorted by id
    if first:
        preferred = (varies & _named(candidates, first))[best]
        best = np.concatenate([best[preferred], best[~preferred]])
    return tuple(candidates.genes[gene] for gene in best[:n_genes])


def listed_genes(candidates: Candidates, genes: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of the user's genes, by id or symbol, in the user's order, each checked to be usable.

    Raises
    ------
    DataContractError
        listing every gene that no training section lists (with similar ones), every symbol of
        several genes, and genes that a training section did not measure, or that are constant over
        the training spots.
    """
    lookup = GeneLookup(_listed_names(candidates), "the training sections")
    if len(genes) > 1 and not any(lookup.means_one(gene) for gene in genes):
        raise DataContractError(_none_measured(candidates, genes))
    unknown = lookup.problems(genes)
    ids = tuple(dict.fromkeys(lookup.id_of(gene) for gene in genes if lookup.means_one(gene)))
    problems = [*unknown[:_NAMED], *_list_problems(candidates, ids)]
    if problems:
        raise DataContractError(problems)
    return ids


def highest_mean(candidates: Candidates) -> Float[np.ndarray, " candidates"]:
    """Mean raw count over all training spots."""
    return _mean_over_spots(candidates, [_column_sums(part.counts) for part in candidates.parts])


def highly_variable(candidates: Candidates) -> Float[np.ndarray, " candidates"]:
    """Variance of the Pearson residuals within a section, mean over training sections."""
    return np.mean([_residual_variance(part) for part in candidates.parts], axis=0)


def spatially_variable(candidates: Candidates) -> Float[np.ndarray, " candidates"]:
    """Moran's I of `cp10k-log1p` between neighbours, mean over training sections.

    A section in which the gene is constant adds 0: it shows no pattern.
    """
    return np.mean([_moran(part) for part in candidates.parts], axis=0)


def variable_in_each_section(candidates: Candidates, n_genes: int) -> tuple[str, ...]:
    """Genes among the `n_genes` of highest residual variance in every training section.

    The variance is that of Pearson residuals, as in `highly_variable`, which also gives the order.
    The more sections, the fewer genes they share.

    Raises
    ------
    DataContractError
        for sections with fewer genes that vary, or if the sections share none.
    """
    varies = [_varies_in(part) for part in candidates.parts]
    few = [
        Problem(
            where=f"section {part.section.id}, target.n_genes",
            found=f"{of_it.sum()} genes to choose {n_genes} from",
            expected=f"at least {n_genes} genes that vary within the section",
            remedy=f"set at most {of_it.sum()} genes, or leave out the section",
        )
        for part, of_it in zip(candidates.parts, varies, strict=True)
        if of_it.sum() < n_genes
    ]
    if few:
        raise DataContractError(few)
    score = np.array([_residual_variance(part) for part in candidates.parts])
    shared = np.ones(len(candidates.genes), dtype=bool)
    for of_section, of_it in zip(score, varies, strict=True):
        shared &= _among_best(np.where(of_it, of_section, -np.inf), n_genes)
    if not shared.any():
        raise DataContractError(
            Problem(
                where="settings, target.n_genes",
                found=f"no gene is among the {n_genes} most variable ones of every section",
                expected="at least one gene that all training sections share",
                remedy="take more genes of each section, or the panel highly-variable",
            )
        )
    mean = np.where(shared, score.mean(axis=0), -np.inf)
    best = best_first(mean, _ROUNDING * mean.max())[: shared.sum()]
    return tuple(candidates.genes[gene] for gene in best)


PANELS: Mapping[str, Callable[[Candidates], Float[np.ndarray, " candidates"]]] = MappingProxyType(
    {
        "highest-mean": highest_mean,
        "highly-variable": highly_variable,
        "spatially-variable": spatially_variable,
    }
)


def _residual_variance(part: TrainingPart) -> Float[np.ndarray, " candidates"]:
    share = _column_sums(part.counts) / max(part.total.sum(), 1.0)
    blocks = []
    n_genes = min(_BLOCK, max(1, _BLOCK_COUNTS // max(len(part.rows), 1)))
    for start in range(0, len(share), n_genes):
        at = slice(start, start + n_genes)
        counts = part.counts[:, at].toarray().astype(np.float64)
        panel = PanelCounts(counts, part.total, share[at], len(part.rows))
        blocks.append(pearson_residuals(panel).var(axis=0))
    return np.concatenate(blocks)


def _moran(part: TrainingPart) -> Float[np.ndarray, " candidates"]:
    scale = sp.diags(1.0 / size_factors(np.maximum(part.total, 1.0)))
    logs = sp.csr_matrix(scale @ part.counts).log1p()
    return np.nan_to_num(moran_i(logs, neighbour_graph(part.section, part.rows)))


def _named(candidates: Candidates, first: Collection[str]) -> Bool[np.ndarray, " candidates"]:
    """Whether the id or the symbol of each candidate, in any training section, is in `first`."""
    wanted = set(first)
    ids = {
        id_
        for part in candidates.parts
        for id_, name in zip(*_ids_and_names(part), strict=True)
        if id_ in wanted or name in wanted
    }
    return np.array([gene in ids for gene in candidates.genes], dtype=bool)


def _varies(candidates: Candidates) -> Bool[np.ndarray, " candidates"]:
    """Whether the raw count of each gene varies over the training spots."""
    high = np.max([_dense(part.counts.max(axis=0)) for part in candidates.parts], axis=0)
    low = np.min([_dense(part.counts.min(axis=0)) for part in candidates.parts], axis=0)
    return high > low


def _varies_in(part: TrainingPart) -> Bool[np.ndarray, " candidates"]:
    """Whether the raw count of each gene varies within a section."""
    return _dense(part.counts.max(axis=0)) > _dense(part.counts.min(axis=0))


def _among_best(
    score: Float[np.ndarray, " candidates"], n_genes: int
) -> Bool[np.ndarray, " candidates"]:
    among = np.zeros(len(score), dtype=bool)
    among[best_first(score, _ROUNDING * score.max())[:n_genes]] = True
    return among


def _seen_share(candidates: Candidates) -> Float[np.ndarray, " candidates"]:
    seen = [_column_sums(part.counts > 0) for part in candidates.parts]
    return _mean_over_spots(candidates, seen)


def _mean_over_spots(
    candidates: Candidates, sums: list[Float[np.ndarray, " candidates"]]
) -> Float[np.ndarray, " candidates"]:
    return np.sum(sums, axis=0) / sum(len(part.rows) for part in candidates.parts)


def _column_sums(matrix: sp.spmatrix) -> Float[np.ndarray, " candidates"]:
    return np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()


def _dense(row: sp.spmatrix) -> Float[np.ndarray, " candidates"]:
    return np.asarray(row.toarray(), dtype=np.float64).ravel()


def _list_problems(candidates: Candidates, genes: tuple[str, ...]) -> Iterator[Problem]:
    where = "settings, target.genes"
    listed = set(candidates.listed)
    place = {gene: at for at, gene in enumerate(candidates.genes)}
    partly = [gene for gene in genes if gene in listed and gene not in place]
    if partly:
        yield Problem(
            where,
            f"not measured in every training section: {_names(partly)}",
            "genes that every training section measured",
            "leave them out, or leave out the sections that lack them",
        )
    varies = _varies(candidates)
    constant = [gene for gene in genes if gene in place and not varies[place[gene]]]
    if constant:
        yield Problem(
            where,
            f"constant over all training spots: {_names(constant)}",
            "genes whose counts vary in training",
            "leave them out: there is nothing to learn",
        )


def _none_measured(candidates: Candidates, genes: tuple[str, ...]) -> Problem:
    listed = list(dict.fromkeys(name for _, name in _listed_names(candidates)))
    return Problem(
        where="settings, target.genes",
        found=f"none of the {len(genes)} genes of the panel is measured in the training sections, "
        f"which measured {len(candidates.listed)}: the panel has {_names(list(genes))}; the "
        f"sections have {_names(listed)}",
        expected="genes that every training section measured, by id or symbol",
        remedy='name genes of the instrument\'s panel (`panel = "highest-mean"` takes the genes '
        "that are there), or check that ids and species are the same",
    )


def _listed_names(candidates: Candidates) -> Iterator[tuple[str, str]]:
    for part in candidates.parts:
        yield from zip(*_ids_and_names(part), strict=True)


def _ids_and_names(part: TrainingPart) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return part.section.measured.gene_ids, part.section.measured.gene_names


def _rest(unknown: list[str]) -> str:
    more = len(unknown) - _NAMED
    return f" (and {more} more)" if more > 0 else ""


def _names(genes: list[str]) -> str:
    return ", ".join(genes[:_NAMED]) + _rest(genes)
