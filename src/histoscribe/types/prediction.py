"""Predicted expression: the values, and all that must be known to read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from histoscribe.types.tissue import Spots


@dataclass(frozen=True, eq=False, kw_only=True)
class Head:
    """All of a prediction but its values, which may be more than memory should hold."""

    section: str
    spots: Spots
    genes: tuple[str, ...]
    unit: str
    """The target's transform."""
    predictor: str
    """Model name and short hash of its files."""
    gene_names: tuple[str, ...] = ()
    """A symbol a gene, as the training sections call it; may repeat; empty where unknown."""
    gene_facts: Mapping[str, Float[np.ndarray, " G"]] = field(default_factory=dict)
    """What is known of each gene, by name, e.g. its score on held-out patients; NaN: unknown."""
    spot_facts: Mapping[str, Float[np.ndarray, " N"]] = field(default_factory=dict)
    """What is known of each spot, by name, e.g. the share of tissue below it."""
    evidence: Mapping[str, Float[np.ndarray, "N _"]] = field(default_factory=dict)
    """What the values rest on, by name, several numbers a spot, e.g. its exemplars."""
    card: str = ""
    """The protocol card of the predictor, as JSON."""

    def __post_init__(self) -> None:
        if self.gene_names and len(self.gene_names) != len(self.genes):
            raise ValueError(f"{len(self.gene_names)} names for {len(self.genes)} genes")
        n_spots, n_genes = self.shape
        for facts, n_rows in (
            (self.gene_facts, n_genes),
            (self.spot_facts, n_spots),
            (self.evidence, n_spots),
        ):
            if wrong := [name for name, values in facts.items() if len(values) != n_rows]:
                raise ValueError(f"{', '.join(wrong)} should have {n_rows} rows")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of spots and of genes: the shape of the values."""
        return len(self.spots), len(self.genes)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted expression of one section, with unit and origin in its head."""

    head: Head
    values: Float[np.ndarray, "N G"]
    """A row a spot and a column a gene of the head, in its unit."""

    def __post_init__(self) -> None:
        if self.values.shape != self.head.shape:
            n_spots, n_genes = self.head.shape
            raise ValueError(f"{self.values.shape} values for {n_spots} spots, {n_genes} genes")

    @property
    def section(self) -> str:
        """The section that is predicted."""
        return self.head.section

    @property
    def spots(self) -> Spots:
        """Whose values the rows are."""
        return self.head.spots

    @property
    def genes(self) -> tuple[str, ...]:
        """Whose values the columns are."""
        return self.head.genes
