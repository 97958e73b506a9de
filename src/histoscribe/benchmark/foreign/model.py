"""A foreign model: its predictions, matched with the spots and genes of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from jaxtyping import Float32, Int

from histoscribe.benchmark.foreign.training import ForeignTraining


@dataclass(frozen=True, eq=False)
class SectionValues:
    """Predicted values of one section, by the spots and gene ids of the cohort."""

    rows: Int[np.ndarray, " n"]
    """Predicted spots of the section, ascending."""
    genes: tuple[str, ...]
    values: Float32[np.ndarray, "n G"]
    n_unknown_rows: int
    """Rows of the table that are no spots of the section."""
    n_unknown_genes: int
    """Columns of the table that are no genes of the cohort."""
    matched_by: str
    """How the spots were found, in words."""

    def take(
        self, rows: Int[np.ndarray, " rows"], genes: tuple[str, ...]
    ) -> Float32[np.ndarray, "rows G"]:
        """Predicted values of chosen spots and genes, which were all predicted."""
        column = {gene: place for place, gene in enumerate(self.genes)}
        return self.values[np.searchsorted(self.rows, rows)][:, [column[gene] for gene in genes]]

    @property
    def hash(self) -> str:
        """Sha256 of spots, genes and values."""
        digest = sha256("\n".join(self.genes).encode() + b"\0")
        for array in (self.rows.astype(np.int64), self.values):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """Predictions of one model that was fitted elsewhere."""

    name: str
    """Row of the tables."""
    source: str
    """Files or argument, in words."""
    unit: str | None
    """Transform whose scale the values are on; None if nobody said."""
    sections: Mapping[str, SectionValues]
    training: ForeignTraining = field(default_factory=ForeignTraining)
