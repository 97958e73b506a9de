"""Other readings of positions that would put more spots on tissue.

Exchanged or mirrored axes can leave every spot on the image. Where no array rows and columns prove
the order of the axes, the outline of the tissue can still show it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from histoscribe.data.tissue import TissueMask
from histoscribe.types import Slide

GAIN = 0.05
"""Gain in the share of spots on tissue from which another reading is told.

Of 15 real sections the positions as given have at least this much more than any other reading.
"""


@dataclass(frozen=True)
class TissueFit:
    """Share of spots on tissue: as given, and by the best other reading of their positions."""

    share: float
    other_reading: str
    """What this reading changes, in words."""
    other_share: float

    @property
    def is_doubtful(self) -> bool:
        """Whether the other reading puts at least `GAIN` more of the spots on tissue."""
        return self.other_share >= self.share + GAIN

    @property
    def words(self) -> str:
        """Both readings in words."""
        return (
            f"with {self.other_reading}, {100 * self.other_share:.0f} % of the spots lie on "
            f"tissue, as given {100 * self.share:.0f} %"
        )


def tissue_fit(xy: Float[np.ndarray, "N 2"], slide: Slide, mask: TissueMask) -> TissueFit:
    """Compare spot centres (px of the slide) with their mirrored and exchanged readings."""
    x, y = xy.T
    readings = {
        "x and y exchanged": np.stack([y, x], axis=1),
        "y counted from below": np.stack([x, slide.height - y], axis=1),
        "x counted from the right": np.stack([slide.width - x, y], axis=1),
    }
    shares = {name: _share(reading, slide, mask) for name, reading in readings.items()}
    other = max(shares, key=lambda name: shares[name])
    return TissueFit(_share(xy, slide, mask), other, shares[other])


def _share(xy: Float[np.ndarray, "N 2"], slide: Slide, mask: TissueMask) -> float:
    """Share of positions on tissue; a position outside the image is not."""
    inside = ((xy >= 0) & (xy < np.array([slide.width, slide.height]))).all(axis=1)
    return float((mask.at(xy) & inside).mean())
