"""Where a layer with a softplus behind it starts."""

import numpy as np
from jaxtyping import Float

_LEAST = 1e-4
"""Smallest value to start from: of zero there is no inverse softplus."""


def inverse_softplus(value: Float[np.ndarray, " G"]) -> Float[np.ndarray, " G"]:
    """Numbers whose softplus are these values.

    >>> inverse_softplus(np.log(1 + np.exp(np.array([-1.0, 0.0, 40.0])))).round(6).tolist()
    [-1.0, 0.0, 40.0]
    """
    value = np.maximum(value, _LEAST)
    return value + np.log(-np.expm1(-value))
