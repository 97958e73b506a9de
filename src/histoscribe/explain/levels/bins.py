"""Seven bins of the values of a gene: its levels."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

N_BINS = 7
"""Levels from the lowest, 1, to the highest, 7; arrays count them from 0."""
LOW, HIGH = (0, 1), (5, 6)
"""Levels that are called low and high: the two lowest and the two highest."""
_ENDS = (1.0, 99.0)  # percentiles: one extreme value would leave most bins empty


@final
@dataclass(frozen=True, eq=False)
class LevelBins:
    """Bins of equal width from the 1st to the 99th percentile; the outer two are open."""

    edges: Float[np.ndarray, " 8"]
    """Rising, in the unit of the values."""

    @classmethod
    def over(cls, values: Float[np.ndarray, " n"]) -> "LevelBins":
        """Bins over these values.

        Raises ValueError where the two percentiles are equal: such values have no levels.
        """
        low, high = np.percentile(values, _ENDS)
        if not high > low:
            raise ValueError(f"98 % of the values are {low:.4g}: they have no levels")
        return cls(np.linspace(low, high, N_BINS + 1))

    def of(self, values: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Bin of each value, from 0; what lies outside of the edges is in the outer bins.

        >>> LevelBins.over(np.arange(8.0)).of(np.array([-5.0, 3.5, 9.0])).tolist()
        [0, 3, 6]
        """
        return np.digitize(values, self.edges[1:-1]).astype(np.int64)

    def words(self, level: int) -> str:
        """Range of a bin, e.g. `0.5 to 1`."""
        low, high = (f"{edge:.3g}" for edge in self.edges[level : level + 2])
        if level == 0:
            return f"below {high}"
        return f"{low} and above" if level == N_BINS - 1 else f"{low} to {high}"
