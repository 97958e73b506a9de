"""Programmes: genes grouped by a likeness of pairs, and their overlap with gene sets."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import silhouette_score

from histoscribe.seed import stream

MOST_PROGRAMMES = 12
"""Most clusters to choose among; with fewer genes, one for every four."""
FEWEST_IN_PROGRAMME = 3
"""Genes of a cluster that counts as a programme."""
N_DRAWS = 999
"""Permutations of the genes of the sets."""
ENRICHED_Q = 0.05
"""A set and a programme with a smaller `q` share more genes than by chance."""
_SEED = 0  # of the permutations; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class Programmes:
    """Clusters of genes: average linkage of one minus the likeness.

    The number of clusters is that of the highest silhouette, from 2 to `MOST_PROGRAMMES`.
    """

    of_gene: Int[np.ndarray, " G"]
    """Number of the cluster of each gene, from 0, the largest first."""
    order: Int[np.ndarray, " G"]
    """Genes as in the tree."""
    silhouette: float
    """Of the clusters, in -1 to 1; 0 without any."""

    @classmethod
    def of(cls, likeness: Float[np.ndarray, "G G"]) -> "Programmes":
        """Cluster genes; one cluster if all pairs are alike."""
        n_genes = len(likeness)
        distance = np.clip(1.0 - (likeness + likeness.T) / 2, 0.0, 2.0)
        np.fill_diagonal(distance, 0.0)
        pairs = squareform(distance, checks=False)
        if np.ptp(pairs) == 0:
            return cls(np.zeros(n_genes, dtype=np.int64), np.arange(n_genes), 0.0)
        tree = linkage(pairs, "average")
        best, of_gene = -np.inf, np.zeros(n_genes, dtype=np.int64)
        for n_clusters in range(2, min(MOST_PROGRAMMES, n_genes // 4) + 1):
            labels = fcluster(tree, n_clusters, "maxclust")
            if 1 < len(np.unique(labels)) < n_genes:
                score = float(silhouette_score(distance, labels, metric="precomputed"))
                if score > best:
                    best, of_gene = score, labels
        return cls(_largest_first(of_gene), leaves_list(tree), max(best, -1.0))

    @cached_property
    def large(self) -> tuple[int, ...]:
        """Clusters that count as programmes."""
        sizes = np.bincount(self.of_gene)
        return tuple(int(of) for of in np.flatnonzero(sizes >= FEWEST_IN_PROGRAMME))

    @cached_property
    def members(self) -> Bool[np.ndarray, "C G"]:
        """Which genes each programme has."""
        return np.array([self.of_gene == of for of in self.large]).reshape(-1, len(self.of_gene))

    @property
    def drawn_order(self) -> Int[np.ndarray, " G"]:
        """Genes with those of a cluster together, else as in the tree."""
        place = np.argsort(self.order)
        return np.lexsort((place, self.of_gene))

    def agreement(self, other: "Programmes") -> float:
        """Adjusted Rand index: 1 for equal clusters, 0 on average for random ones."""
        return _rand_index(self.of_gene, other.of_gene)

    def agreement_of_permuted(self, other: "Programmes") -> Float[np.ndarray, " draws"]:
        """The same with genes permuted."""
        rng = stream(_SEED, "together-programmes")
        draws = range(N_DRAWS)
        return np.array([_rand_index(rng.permutation(self.of_gene), other.of_gene) for _ in draws])


@final
@dataclass(frozen=True, eq=False)
class SetOverlap:
    """Genes that C programmes share with S sets; the background are the G genes compared."""

    shared: Int[np.ndarray, "C S"]
    expected: Float[np.ndarray, "C S"]
    """Mean of random sets of the same size."""
    p: Float[np.ndarray, "C S"]
    """Hypergeometric: chance that a random set shares at least as many."""
    q: Float[np.ndarray, "C S"]
    """`p` adjusted for all programmes and sets (Benjamini-Hochberg)."""

    @classmethod
    def of(cls, programmes: Programmes, sets: Bool[np.ndarray, "S G"]) -> "SetOverlap":
        """Overlap of these programmes with these sets."""
        shared = programmes.members.astype(np.int64) @ sets.T
        sizes = np.outer(programmes.members.sum(axis=1), sets.sum(axis=1))
        p = _chance(shared, programmes, sets)
        return cls(shared, sizes / sets.shape[1], p, _adjusted(p))

    @property
    def n_sets(self) -> float:
        """Number of sets that some programme has more genes of than by chance."""
        return _n_sets(self.q)

    @staticmethod
    def n_sets_of_permuted(
        programmes: Programmes, sets: Bool[np.ndarray, "S G"]
    ) -> Float[np.ndarray, " draws"]:
        """The same number with genes permuted; programmes keep their sizes, sets their overlaps."""
        rng, members = stream(_SEED, "together-sets"), programmes.members.astype(np.int64)
        shared = [members @ sets[:, rng.permutation(sets.shape[1])].T for _ in range(N_DRAWS)]
        p = _chance(np.array(shared), programmes, sets)
        return np.array([_n_sets(_adjusted(one)) for one in p])


def _rand_index(one: Int[np.ndarray, " G"], other: Int[np.ndarray, " G"]) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985, doi:10.1007/BF01908075, eq. 5).

    0 where both have one cluster: these agree whatever the genes are.
    """
    both = np.bincount(one * (other.max() + 1) + other)
    together, in_one, in_other = (
        _n_pairs(of) for of in (both, np.bincount(one), np.bincount(other))
    )
    expected = in_one * in_other / max(_n_pairs(np.array([len(one)])), 1.0)
    most = (in_one + in_other) / 2
    return (together - expected) / (most - expected) if most != expected else 0.0


def _n_pairs(sizes: Int[np.ndarray, " n"]) -> float:
    return float((sizes * (sizes - 1) / 2).sum())


def _chance(
    shared: Int[np.ndarray, "*draws C S"], programmes: Programmes, sets: Bool[np.ndarray, "S G"]
) -> Float[np.ndarray, "*draws C S"]:
    in_programme = programmes.members.sum(axis=1)[:, None]
    in_set, n_genes = sets.sum(axis=1)[None], sets.shape[1]
    return np.asarray(hypergeom.sf(shared - 1, n_genes, in_set, in_programme)).clip(0.0, 1.0)


def _adjusted(p: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "C S"]:
    return false_discovery_control(p.ravel()).reshape(p.shape) if p.size else p


def _n_sets(q: Float[np.ndarray, "C S"]) -> float:
    return float((q < ENRICHED_Q).any(axis=0).sum()) if q.size else 0.0


def _largest_first(labels: Int[np.ndarray, " G"]) -> Int[np.ndarray, " G"]:
    """Clusters numbered from 0 by falling size; of equal ones, that of the first gene first."""
    names, first, number, size = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(names))
    return rank[number]
