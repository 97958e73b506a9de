"""Predicted expression."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from histoscribe.types.tissue import Spots


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted expression of one section, with unit and origin."""

    section: str
    spots: Spots
    genes: tuple[str, ...]
    values: Float[np.ndarray, "N G"]
    unit: str
    """The target's transform."""
    predictor: str
    """Model name and short hash of its files."""
    spot_facts: Mapping[str, Float[np.ndarray, " N"]] = field(default_factory=dict)
    """What else is known of each spot, by name, e.g. the share of tissue below it."""
    gene_facts: Mapping[str, Float[np.ndarray, " G"]] = field(default_factory=dict)
    """What is known of each gene, by name, e.g. its score on held-out patients; NaN: unknown."""
    card: str = ""
    """The protocol card of the predictor, as JSON."""
    gene_names: tuple[str, ...] = ()
    """A symbol a gene, as the training sections call it; may repeat; empty where unknown."""
    evidence: Mapping[str, Float[np.ndarray, "N _"]] = field(default_factory=dict)
    """What a prediction rests on, by name, several numbers a spot, e.g. its exemplars."""

    def __post_init__(self) -> None:
        if self.gene_names and len(self.gene_names) != len(self.genes):
            raise ValueError(f"{len(self.gene_names)} names for {len(self.genes)} genes")
        if self.values.shape != (len(self.spots), len(self.genes)):
            raise ValueError(
                f"{self.values.shape} values for {len(self.spots)} spots, {len(self.genes)} genes"
            )
