"""Maps from um on an array to px of its image, as fitted to the centres of bins."""

import numpy as np
from jaxtyping import Float

_MM = np.array([1e-3, 1e-3, 1.0, 1e-6, 1e-6, 1e-6])
"""Factors that make the terms of a place in um those of a place in mm."""


def px_of(
    places_um: Float[np.ndarray, "M 2"], to_px: Float[np.ndarray, "2 terms"]
) -> Float[np.ndarray, "M 2"]:
    """Px of places in um.

    `to_px` holds a factor for each of x, y and 1, and for a bent map for each of x², xy and y².
    """
    return _terms(places_um)[:, : to_px.shape[1]] @ to_px.T


def fitted_map(
    places_um: Float[np.ndarray, "M 2"], xy: Float[np.ndarray, "M 2"]
) -> Float[np.ndarray, "2 terms"] | None:
    """Map from um to px by least squares; None for places on one line.

    Space Ranger registers an image with a slight perspective, which the terms of second degree
    follow. Few places, such as two rows, fix a straight map only.
    """
    terms = _terms(places_um) * _MM
    for n_terms in (6, 3):
        factors, _, rank, _ = np.linalg.lstsq(terms[:, :n_terms], xy, rcond=None)
        if rank == n_terms:
            return np.ascontiguousarray((factors * _MM[:n_terms, None]).T)
    return None


def steps_px(
    to_px: Float[np.ndarray, "2 terms"], at_um: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "2 2"]:
    """Px in x and y per um to the right (row 0) and per um down (row 1), at a place in um."""
    ends_um = at_um + np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    right, left, below, above = px_of(ends_um, to_px)
    return np.stack([right - left, below - above])


def _terms(places_um: Float[np.ndarray, "M 2"]) -> Float[np.ndarray, "M 6"]:
    x, y = places_um.T
    return np.column_stack([x, y, np.ones(len(x)), x * x, x * y, y * y])
