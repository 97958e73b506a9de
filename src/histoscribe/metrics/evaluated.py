"""Input of the metrics: predicted and measured values of one section."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from histoscribe.metrics.moments import Moments, moments


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Predicted and measured values of one section: same spots, genes and units, same order."""

    predicted: Float[np.ndarray, "N G"]
    measured: Float[np.ndarray, "N G"]
    """On the scale of the target, never smoothed; a column of NaN where a gene was not measured."""
    log_total: Float[np.ndarray, " N"]
    """log(1 + total count of the spot over all genes)."""
    counts: Float[np.ndarray, "N G"] | None = None
    """Raw counts of the same genes, NaN where not measured; only `auc@c` needs them."""
    graph: sp.csr_matrix | None = None
    """Neighbour graph of these spots; only `moran_r` needs it."""

    def __post_init__(self) -> None:
        n_spots, n_genes = self.predicted.shape
        if self.measured.shape != (n_spots, n_genes) or self.log_total.shape != (n_spots,):
            raise ValueError(
                f"predicted {self.predicted.shape}, measured {self.measured.shape} and log totals "
                f"{self.log_total.shape} do not describe the same spots and genes"
            )
        if self.counts is not None and self.counts.shape != (n_spots, n_genes):
            raise ValueError(f"counts {self.counts.shape}, predicted {self.predicted.shape}")
        if self.graph is not None and self.graph.shape != (n_spots, n_spots):
            raise ValueError(f"graph {self.graph.shape} does not fit {n_spots} spots")

    @cached_property
    def moments(self) -> Moments:
        """Sums that the moment metrics share, computed once."""
        return moments(self.predicted, self.measured, self.log_total)

    @property
    def varies(self) -> Bool[np.ndarray, " G"]:
        """Whether each gene was measured and varies in the section."""
        return ~self.moments.y_constant & np.isfinite(self.moments.yy)

    @property
    def n_constant_predictions(self) -> int:
        """Number of genes that vary in the section but were predicted constant: each scores 0."""
        return int((self.moments.x_constant & self.varies).sum())
