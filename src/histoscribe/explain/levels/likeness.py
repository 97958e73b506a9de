"""How alike tiles of different patients are, within a level and between levels."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity
from skimage.transform import resize_local_mean

from histoscribe.explain.levels.bins import N_BINS

GREY_PX = 64
"""Side of the grey tiles whose structure is compared."""


def grey_tile(tile: np.ndarray) -> Float[np.ndarray, "g g"]:
    """A tile in grey, 0..1, at most 64 px a side."""
    side_px = min(GREY_PX, len(tile))
    return resize_local_mean(rgb2gray(tile), (side_px, side_px))


@final
@dataclass(frozen=True, eq=False)
class Likeness:
    """Likeness of pairs of tiles; pairs of one patient do not count."""

    values: Float[np.ndarray, "n n"]
    """Symmetric; 0 where a pair does not count."""
    counts: Bool[np.ndarray, "n n"]
    """The pairs of tiles of different patients."""

    @classmethod
    def of_structure(
        cls, grey: Float[np.ndarray, "n g g"], patient: Int[np.ndarray, " n"]
    ) -> "Likeness":
        """Structural similarity, -1..1 (Wang et al. 2004, doi:10.1109/TIP.2003.819861)."""
        apart = patient[:, None] != patient
        values = np.zeros(apart.shape)
        for first, second in np.argwhere(np.triu(apart)):
            alike = structural_similarity(grey[first], grey[second], data_range=1.0)
            values[first, second] = values[second, first] = alike
        return cls(values, apart)

    @classmethod
    def of_features(
        cls, feature: Float[np.ndarray, "n D"], patient: Int[np.ndarray, " n"]
    ) -> "Likeness":
        """Cosine of what the encoder gives, less its mean over all tiles, -1..1."""
        apart = patient[:, None] != patient
        centred = feature.astype(np.float64) - feature.mean(axis=0, dtype=np.float64)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        unit = centred / np.where(length > 0, length, 1.0)
        return cls(np.where(apart, unit @ unit.T, 0.0), apart)

    def between_levels(
        self, level: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "7 7"], Int[np.ndarray, "7 7"]]:
        """Mean likeness of tiles of each two levels, NaN without a pair; and the pairs."""
        member = np.eye(N_BINS)[level]
        sums, n_pairs = member.T @ self.values @ member, member.T @ self.counts @ member
        with np.errstate(invalid="ignore"):
            means = np.where(n_pairs > 0, sums / np.maximum(n_pairs, 1), np.nan)
        pairs = np.rint(n_pairs).astype(np.int64)
        pairs[np.diag_indices(N_BINS)] //= 2
        return means, pairs

    def within_and_between(self, level: Int[np.ndarray, "draws n"]) -> Float[np.ndarray, "draws 2"]:
        """Mean likeness of pairs in one level, and of pairs in two; NaN without such a pair."""
        total = np.array([self.values.sum(), self.counts.sum()])
        result = np.full((len(level), 2), np.nan)
        for draw, levels in enumerate(level):
            member = np.eye(N_BINS)[levels]
            within = np.array([np.sum(member * (of @ member)) for of in (self.values, self.counts)])
            for place, (alike, n_pairs) in enumerate((within, total - within)):
                if n_pairs > 0:
                    result[draw, place] = alike / n_pairs
        return result
