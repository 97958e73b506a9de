"""Held-out genes: members of the sets, and other genes of similar expression."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.data.activity import gene_z_scores
from histoscribe.data.measured_genes import drops_unseen_genes, panel_counts
from histoscribe.data.transform import Cp10kLog1p
from histoscribe.explain.expression_bins import GENES_IN_BIN, expression_bins, mean_expression
from histoscribe.seed import stream
from histoscribe.types import Section

N_RANDOM_SETS = 199
"""Random sets for each set."""
_SEED = 0  # of the random sets; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class GenePool:
    """Genes outside a training, and the members of each set among them."""

    genes: tuple[str, ...]
    names: tuple[str, ...]
    """Names of the P sets."""
    members: Bool[np.ndarray, "P G"]
    expression: Float[np.ndarray, " G"]
    """Counts per 10,000, mean over sections."""

    @classmethod
    def of(
        cls,
        sections: Sequence[Section],
        sets: Mapping[str, Sequence[str]],
        trained: Collection[str],
    ) -> "GenePool":
        """Take the genes of these sets, and the genes nearest in expression.

        Genes are those that every section measured, without those of the training.
        """
        every = measured_everywhere(sections)
        usable = tuple(gene for gene in every if gene not in trained)
        expression = mean_expression(sections, usable)
        in_sets = set().union(*sets.values())
        is_member = np.array([gene in in_sets for gene in usable], dtype=bool)
        chosen = _with_nearest(expression, is_member)
        genes = tuple(usable[gene] for gene in chosen)
        place = {gene: column for column, gene in enumerate(genes)}
        members = np.zeros((len(sets), len(genes)), dtype=bool)
        for row, of_set in enumerate(sets.values()):
            members[row, [place[gene] for gene in of_set if gene in place]] = True
        return cls(genes, tuple(sets), members, expression[chosen])

    def __len__(self) -> int:
        return len(self.names)

    def z_scores(self, section: Section) -> Float[np.ndarray, "N G"]:
        """Counts per 10,000, log1p, z-score over the spots of a section."""
        return gene_z_scores(Cp10kLog1p().apply(panel_counts(section, None, self.genes)))

    def random_members(self) -> Iterator[Bool[np.ndarray, "P G"]]:
        """Random sets of the same sizes, overlaps and levels of expression, `N_RANDOM_SETS` times.

        Genes are exchanged among at least `GENES_IN_BIN` genes of similar expression, so a random
        set may have some genes of the set.
        """
        return random_members(self.members, self.expression)


def random_members(
    members: Bool[np.ndarray, "P G"], expression: Float[np.ndarray, " G"]
) -> Iterator[Bool[np.ndarray, "P G"]]:
    """Sets after genes of similar expression are exchanged, `N_RANDOM_SETS` times."""
    rng = stream(_SEED, "explain-pathways-random-sets")
    bins = expression_bins(expression)
    for _ in range(N_RANDOM_SETS):
        exchanged = np.arange(len(expression))
        for genes in bins:
            exchanged[genes] = rng.permutation(genes)
        yield members[:, exchanged]


def activity(
    z_scores: Float[np.ndarray, "N G"], members: Bool[np.ndarray, "P G"]
) -> Float[np.ndarray, "N P"]:
    """Mean z-score of the members of each set."""
    weight = members.astype(np.float64)
    return z_scores @ (weight / weight.sum(axis=1, keepdims=True)).T


def measured_everywhere(sections: Sequence[Section]) -> tuple[str, ...]:
    """Genes that every section measured, sorted; absent ones count where tables drop zeros."""
    listed = [set(section.measured.gene_ids) for section in sections]
    complete = [
        genes
        for genes, section in zip(listed, sections, strict=True)
        if not drops_unseen_genes(section.measured)
    ]
    return tuple(sorted(set().union(*listed).intersection(*complete)))


def _with_nearest(
    expression: Float[np.ndarray, " G"], is_member: Bool[np.ndarray, " G"]
) -> Int[np.ndarray, " n"]:
    """Members, and as many of the others around each by rank of expression as a bin has genes."""
    counted = np.flatnonzero(is_member | (expression > 0))
    ordered = counted[np.argsort(expression[counted], kind="stable")]
    near = np.zeros(len(ordered), dtype=bool)
    for place in np.flatnonzero(is_member[ordered]):
        near[max(0, place - GENES_IN_BIN // 2) : place + GENES_IN_BIN // 2 + 1] = True
    return np.sort(ordered[near])
