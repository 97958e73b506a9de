"""Whether maps of different members agree, and whether a map is about its gene."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.surrogates import N_DRAWS, correlation_test
from histoscribe.explain.where.maps import MemberMaps
from histoscribe.seed import stream

LEAST_GENES = 5
"""Genes with a map, below which exchanging genes has too few outcomes to tell what is chance."""
N_EXCHANGES = 999
_SEED = 0  # of exchanged genes and of surrogates; nobody needs another one
_ROUNDING = 1e-9  # a map that varies by less, relative to its largest value, is constant


@final
@dataclass(frozen=True, eq=False)
class Agreement:
    """Correlation of the maps of one kind between members."""

    by_gene: Float[np.ndarray, " K"]
    """Mean over pairs of members; NaN for a gene whose map is constant in one of a pair."""
    untrained: Float[np.ndarray, " ensembles"]
    """Mean over genes and pairs, of ensembles of untrained networks; empty without any."""
    surrogates: Float[np.ndarray, " draws"]
    """Mean over genes and pairs, one map of each pair replaced by equally smooth random maps."""


def agreement(
    maps: MemberMaps,
    untrained: Float[np.ndarray, "M R K N"] | None,
    ensembles: Int[np.ndarray, "ensembles members"],
    um: Float[np.ndarray, "N 2"],
) -> Agreement:
    """Correlate the maps of each gene between members, and the same of untrained networks."""
    pairs = list(combinations(range(len(maps.values)), 2))
    by_pair = [_same_gene(maps.values[[i]], maps.values[[j]])[0, 0] for i, j in pairs]
    drawn = np.zeros(0)
    if untrained is not None:
        # network r of member i with network s of member j, gene by gene
        of_nets = {(i, j): _same_gene(untrained[i], untrained[j]) for i, j in pairs}
        drawn = np.array(
            [
                defined_mean(np.array([of_nets[i, j][nets[i], nets[j]] for i, j in pairs]))
                for nets in ensembles
            ]
        )
    return Agreement(
        by_gene=np.array([defined_mean(values) for values in np.array(by_pair).T]),
        untrained=drawn,
        surrogates=_surrogate_mean(maps, pairs, um),
    )


def agreement_numbers(kind: str, result: Agreement) -> tuple[list[Number], list[Number]]:
    """The agreement of a kind of map, and the same of untrained networks and of random maps."""
    name, meaning = f"agreement_{kind}", f"correlation of the {kind} maps of a gene between members"
    value = Number(name, defined_mean(result.by_gene), f"{meaning}; mean over genes and pairs")
    smooth = Number.of_draws(name, result.surrogates, f"{meaning}, equally smooth random maps")
    if not len(result.untrained):
        return [value], [smooth]
    random = Number.of_draws(name, result.untrained, f"{meaning}, networks with random weights")
    return [value], [
        random,
        Number(f"{name}_surrogates", smooth.value, smooth.meaning, smooth.low, smooth.high),
    ]


def gene_difference(kind: str, maps: MemberMaps) -> tuple[list[Number], list[Number]]:
    """How much more alike maps of one gene from two members are than those of two genes.

    By chance, the genes of each member are exchanged: then a map belongs to no gene. With fewer
    than `LEAST_GENES` genes that have a map in every member, it is undefined.
    """
    name = f"gene_difference_{kind}"
    meaning = (
        f"correlation of the {kind} maps of one gene from two members, less that of two genes "
        "from two members"
    )
    kept = ~_is_constant(maps.values).any(axis=0)
    if kept.sum() < LEAST_GENES:
        short = f"{meaning}; undefined with {kept.sum()} genes, at least {LEAST_GENES} are needed"
        return [Number(name, np.nan, short)], [Number(name, np.nan, short)]
    between = correlations(maps.values[:, kept])
    pairs = list(combinations(range(len(between)), 2))
    value = _difference(between, pairs)
    draws = np.array([_difference(exchanged, pairs) for exchanged in _exchanges(between)])
    extreme = (draws >= value - _ROUNDING).sum()
    by_chance = f"{meaning}, genes of each member exchanged"
    return [
        Number(name, value, f"{meaning}; {kept.sum()} genes"),
        Number(
            f"p_{name}",
            float((1 + extreme) / (1 + len(draws))),
            f"share of exchanges of genes with {name} at least as high",
        ),
    ], [Number.of_draws(name, draws, by_chance)]


def correlations(values: Float[np.ndarray, "M K N"]) -> Float[np.ndarray, "M M K K"]:
    """Pearson correlation of each map of each member with each map of each other member.

    NaN for a constant map.
    """
    unit = _unit(values)
    n_members, n_genes, n_spots = unit.shape
    flat = unit.reshape(n_members * n_genes, n_spots)
    shape = (n_members, n_genes, n_members, n_genes)
    return (flat @ flat.T).reshape(shape).transpose(0, 2, 1, 3)


def _unit(values: Float[np.ndarray, "M K N"]) -> Float[np.ndarray, "M K N"]:
    """Maps of mean zero and length one; NaN for a constant map."""
    centred = values - values.mean(axis=2, keepdims=True)
    length = np.linalg.norm(centred, axis=2, keepdims=True)
    length[_is_constant(values)] = np.nan
    return centred / length


def _same_gene(
    first: Float[np.ndarray, "R K N"], second: Float[np.ndarray, "R K N"]
) -> Float[np.ndarray, "R R K"]:
    """Pairwise correlation between maps of one gene: first rows, second columns."""
    return np.einsum("rkn,skn->rsk", _unit(first), _unit(second), optimize=True)


def _difference(between: Float[np.ndarray, "M M K K"], pairs: Sequence[tuple[int, int]]) -> float:
    """Mean correlation of one gene less that of two genes, over pairs of members."""
    n_genes = between.shape[2]
    same = np.mean([np.trace(between[i, j]) for i, j in pairs]) / n_genes
    every = np.mean([between[i, j].mean() for i, j in pairs])
    # of all K x K pairs of genes, K are of one gene
    other = (every * n_genes - same) / (n_genes - 1)
    return round(float(same - other), 9) + 0.0  # one map for all genes gives exactly zero


def _exchanges(
    between: Float[np.ndarray, "M M K K"],
) -> Iterator[Float[np.ndarray, "M M K K"]]:
    """The correlations after the genes of each member were exchanged."""
    n_members, n_genes = between.shape[1:3]
    rng = stream(_SEED, "explain-where-exchanged-genes")
    member = np.arange(n_members)
    for _ in range(N_EXCHANGES):
        order = np.stack([rng.permutation(n_genes) for _ in member])
        yield between[
            member[:, None, None, None],
            member[None, :, None, None],
            order[:, None, :, None],
            order[None, :, None, :],
        ]


def _surrogate_mean(
    maps: MemberMaps, pairs: Sequence[tuple[int, int]], um: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, " draws"]:
    """Mean over genes and pairs of the draws of a map test, each with the same random signs."""
    draws = [
        correlation_test(maps.values[i, gene], maps.values[j, gene], um, _SEED).draws
        for i, j in pairs
        for gene in range(maps.values.shape[1])
    ]
    known = [of_pair for of_pair in draws if not np.isnan(of_pair).any()]
    return np.mean(known, axis=0) if known else np.full(N_DRAWS, np.nan)


def _is_constant(values: Float[np.ndarray, "M K N"]) -> np.ndarray:
    return np.ptp(values, axis=2) <= _ROUNDING * np.abs(values).max(axis=2)
