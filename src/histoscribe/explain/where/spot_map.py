"""One map of one gene over a section, as the tests of maps take it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SpotMap:
    """Value of each spot for one gene, in the order of the spots."""

    gene: int
    """Place in the panel."""
    label: str
    kind: str
    """Kind of map, e.g. `prediction` or `attention`."""
    values: Float[np.ndarray, " N"]
    is_weight: bool
    """True where it says how much a spot counts but not in which direction, as attention does."""

    @property
    def name(self) -> str:
        """Kind and gene, as part of a sentence."""
        return f"{self.kind.replace('_', ' ')} of {self.label}"
