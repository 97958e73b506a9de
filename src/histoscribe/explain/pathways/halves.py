"""Gene sets of a panel cut in two: genes to train on, and genes to measure activity by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool

from histoscribe.seed import stream
from histoscribe.types import Pathways

LEAST_GENES = 4
"""Genes of a set that its measured activity rests on, and that a training must have."""
_SEED = 0  # of the halves; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class SetHalves:
    """Genes of a panel that a training keeps, and those of the sets that it never reads."""

    sets: Pathways
    """The sets over the whole panel."""
    panel: tuple[str, ...]
    kept_out: Bool[np.ndarray, " G"]
    """Genes of the panel that the training does not read."""

    @classmethod
    def of(cls, sets: Pathways, panel: Sequence[str]) -> "SetHalves":
        """Keep about half of each set out, drawn by gene: a gene is in one half for all its sets.

        The draw depends on the names of sets and genes only.
        """
        order = stream(_SEED, "explain-pathways-halves").permutation(sorted(panel)).tolist()
        rank = {gene: place for place, gene in enumerate(order)}
        half = np.full(len(panel), -1)  # 1 is out, 0 is in, -1 not drawn yet
        for row in sorted(range(len(sets)), key=lambda row: sets.names[row]):
            members = np.flatnonzero(sets.members[row])
            n_out = len(members) // 2 - int((half[members] == 1).sum())
            free = sorted(members[half[members] < 0], key=lambda gene: rank[panel[gene]])
            half[free] = 0
            half[free[: max(n_out, 0)]] = 1
        return cls(sets, tuple(panel), half == 1)

    @property
    def training_genes(self) -> tuple[str, ...]:
        """The panel without the genes that are kept out, in its order."""
        return tuple(gene for gene, out in zip(self.panel, self.kept_out, strict=True) if not out)

    def training_sets(self) -> dict[str, tuple[str, ...]]:
        """Set -> its genes in the training."""
        return self._members(~self.kept_out)

    def measured_sets(self) -> dict[str, tuple[str, ...]]:
        """Set -> its genes outside the training, for sets with enough genes on both sides."""
        trained = self.training_sets()
        return {
            name: genes
            for name, genes in self._members(self.kept_out).items()
            if min(len(genes), len(trained.get(name, ()))) >= LEAST_GENES
        }

    def _members(self, of: Bool[np.ndarray, " G"]) -> dict[str, tuple[str, ...]]:
        members = {
            name: tuple(self.panel[gene] for gene in np.flatnonzero(row & of))
            for name, row in zip(self.sets.names, self.sets.members, strict=True)
        }
        return {name: genes for name, genes in members.items() if genes}
