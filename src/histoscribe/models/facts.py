"""Facts of the training spots that a new model gets."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from histoscribe.models.count_start import CountStart
from histoscribe.models.softplus import inverse_softplus
from histoscribe.types.pathways import Pathways
from histoscribe.types.training import CountFamily


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of the training spots that a new model gets; saved with it."""

    feature_mean: Float[np.ndarray, " D"]
    feature_scale: Float[np.ndarray, " D"]
    target_mean: Float[np.ndarray, " G"]
    target_scale: Float[np.ndarray, " G"] | float = 1.0
    """Standard deviation of the target over the training spots."""
    tile_px: int = 0
    """Side of the tiles; 0 if the model reads none."""
    image_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean of each channel over the training tiles, 0-255."""
    image_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Standard deviation of each channel over the training tiles, 0-255."""
    non_negative: bool = False
    """Whether no target can be below zero."""
    counts: CountFamily | None = None
    """Family of the count distribution that the model predicts; None for a model of values."""
    count_start: CountStart | None = None
    """Start of its distribution, from training counts; None without training spots."""
    pathways: Pathways | None = None
    """Gene sets of the panel; None without."""

    @property
    def output_start(self) -> Float[np.ndarray, " G"]:
        """Start of a network's last layer: the mean target, or for counts its inverse softplus.

        The rate of a count distribution is the softplus of the last layer.
        """
        if self.counts is None:
            return self.target_mean
        zeros = self.start_of_counts.zero_inflation
        return inverse_softplus(self.target_mean / (1.0 if zeros is None else 1 - zeros))

    @property
    def target_unit(self) -> Float[np.ndarray, " G"]:
        """`target_scale` of each gene; 1 for a gene that is constant but for rounding."""
        spread = np.broadcast_to(self.target_scale, len(self.target_mean))
        return np.where(spread > 1e-6 * np.abs(self.target_mean), spread, 1.0)

    @property
    def start_of_counts(self) -> CountStart:
        """Start of the count distribution. Raises ValueError for a model of values."""
        if self.counts is None:
            raise ValueError("a model of values has no count distribution")
        return self.count_start or CountStart.plain(self.counts, len(self.target_mean))

    @classmethod
    def plain(cls, n_genes: int, feature_width: int = 0, tile_px: int = 0) -> "Facts":
        """Facts of these sizes without training spots: means of zero, scales of one."""
        return cls(
            feature_mean=np.zeros(feature_width),
            feature_scale=np.ones(feature_width),
            target_mean=np.zeros(n_genes),
            tile_px=tile_px,
        )
