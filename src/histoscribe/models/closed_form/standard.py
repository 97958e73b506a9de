"""Features in units of their standard deviation over the training spots."""

import numpy as np
from jaxtyping import Float


def mean_and_scale(
    feature: Float[np.ndarray, "N D"],
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Mean and standard deviation of each feature; the scale of a constant one is infinite.

    `(feature - mean) / scale` is therefore zero for a feature that is constant in training.
    """
    mean = feature.mean(axis=0, dtype=np.float64)
    scale = feature.std(axis=0, dtype=np.float64)
    # float32 features: a smaller spread is rounding, and dividing by it would amplify noise
    return mean, np.where(scale > 1e-6 * (1 + np.abs(mean)), scale, np.inf)
