"""Facts of the training spots that a new model gets."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from histoscribe.types.pathways import Pathways


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of the training spots that a new model gets; saved with it."""

    feature_mean: Float[np.ndarray, " D"]
    feature_scale: Float[np.ndarray, " D"]
    target_mean: Float[np.ndarray, " G"]
    tile_px: int = 0
    """Side of the tiles; 0 if the model reads none."""
    image_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean of each channel over the training tiles, 0-255."""
    image_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Standard deviation of each channel over the training tiles, 0-255."""
    counts: Literal["nb", "zinb"] | None = None
    """Family of the count distribution that the model predicts; None for a model of values."""
    pathways: Pathways | None = None
    """Gene sets of the panel; None without."""

    @classmethod
    def plain(cls, n_genes: int, feature_width: int = 0, tile_px: int = 0) -> "Facts":
        """Facts of these sizes without training spots: means of zero, scales of one."""
        return cls(
            feature_mean=np.zeros(feature_width),
            feature_scale=np.ones(feature_width),
            target_mean=np.zeros(n_genes),
            tile_px=tile_px,
        )
