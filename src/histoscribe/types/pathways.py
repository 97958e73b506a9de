"""Pathways of a panel: named sets of its genes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

PATHWAYS = "pathways"
"""Name of the scores of pathways: in the heads of a model, and in the evidence of a prediction."""


@dataclass(frozen=True, eq=False)
class Pathways:
    """Named gene sets, as membership of each gene of a panel."""

    names: tuple[str, ...]
    """Names of the P sets, each once."""
    members: Bool[np.ndarray, "P G"]
    """True where a gene of the panel belongs to the set; columns in the order of the panel."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.members):
            raise ValueError(f"{len(self.names)} names for {len(self.members)} sets")
        if len(set(self.names)) < len(self.names):
            raise ValueError("two gene sets have the same name")
        empty = [name for name, of in zip(self.names, self.members, strict=True) if not of.any()]
        if empty:
            raise ValueError(f"gene sets without a gene of the panel: {', '.join(empty)}")

    def __len__(self) -> int:
        return len(self.names)
