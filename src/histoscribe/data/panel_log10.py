"""The scale of TCGN: logged counts per 10,000 counts of the panel's genes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.data.measured_genes import PanelCounts
from histoscribe.data.transform_base import Transform, size_factors


@final
@dataclass(frozen=True)
class PanelLog10(Transform):
    """log10(1 + counts per 10,000 of the panel), as TCGN (doi 10.1016/j.media.2023.103040).

    The total of a spot is over the panel's genes. Where a section did not measure some of them, the
    total of the others is divided by their part in the panel's training counts, so that values stay
    on the scale of training. The genes of a panel share one total: if one rises, others fall.
    """

    shares: tuple[float, ...]
    """Share of each gene of the panel in all counts of the training spots."""
    name = "panel-log10"
    unit = "log10 of 1 + counts per 10,000 counts of the panel's genes in the spot"
    statistic = (
        "shares of the panel's genes in the training counts: they complete the total of a section "
        "that did not measure all of them, and bring values back to counts"
    )
    size_factors = (
        "total over the genes of the panel; where a section lacks some, that of the others divided "
        "by their part in the panel's training counts"
    )
    non_negative = True

    @classmethod
    def fit(cls, parts: Sequence[PanelCounts], n_listed: int) -> "PanelLog10":
        """Compute the share of each gene in all counts."""
        del n_listed
        counts = np.sum([part.counts.sum(axis=0) for part in parts], axis=0)
        total = max(sum(float(part.total.sum()) for part in parts), 1.0)
        return cls(tuple((counts / total).tolist()))

    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Logarithm to base 10; a spot without a count of the panel stays all zeros."""
        shares = np.array(self.shares)
        measured = ~np.isnan(panel.counts).any(axis=0)
        part = shares[measured].sum() / shares.sum() if measured.any() else 1.0
        total = np.nansum(panel.counts, axis=1) / part
        factors = size_factors(np.where(total > 0, total, 1.0))
        return np.log10(1 + panel.counts / factors[:, None])

    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts of spots with these totals over all genes, if the panel has its training share.

        The share of the panel in a single spot is not known, so these are not exactly the counts
        that were measured there.
        """
        of_panel = sum(self.shares) * total
        return (10**values - 1) * size_factors(of_panel)[:, None]
