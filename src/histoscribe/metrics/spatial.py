"""Neighbour graph of the spots of a section, and Moran's I."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from histoscribe.types import Section

NEIGHBOUR_PITCHES = 1.5
"""Neighbours lie within this many pitches: eight on a square array, six on a hexagonal one
(whose second ring starts at 1.73), with room for the jitter of printed spots."""


def neighbour_px(section: Section) -> float:
    """Distance in level-0 px within which two spots of the section are neighbours."""
    return NEIGHBOUR_PITCHES * section.spots.pitch_um / section.slide.mpp


def neighbour_graph(
    section: Section, rows: Int[np.ndarray, " rows"] | None = None
) -> sp.csr_matrix:
    """Ones between neighbouring spots: symmetric [N, N], zero diagonal.

    With `rows`, the graph of these spots alone, in their order.
    """
    xy = section.spots.xy if rows is None else section.spots.xy[rows]
    pairs = cKDTree(xy).query_pairs(neighbour_px(section), output_type="ndarray")
    ones = np.ones(len(pairs), dtype=np.float64)
    half = sp.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(xy), len(xy)))
    return sp.csr_matrix(half + half.T)


def moran_i(
    values: Float[np.ndarray, "N G"] | sp.csr_matrix, graph: sp.csr_matrix
) -> Float[np.ndarray, " G"]:
    """Moran's I of each gene over the neighbour graph (Moran 1950, doi 10.2307/2332142).

    Returns
    -------
    [G] about -1..1; -1/(N-1) is expected without spatial structure. NaN where a gene is
    constant, or where no spot has a neighbour. Sparse values stay sparse.
    """
    n_spots, weight = values.shape[0], graph.sum()
    mean = np.asarray(values.mean(axis=0), dtype=np.float64).ravel()
    if sp.issparse(values):
        across, spread = _sparse_sums(values, graph, mean)
    else:
        centred = values - mean
        across = (centred * (graph @ centred)).sum(axis=0, dtype=np.float64)
        spread = (centred**2).sum(axis=0, dtype=np.float64)
    # rounding of the mean gives a constant gene a spread of a few units in the last place
    varies = (spread > 1e-12 * n_spots * mean**2) & (weight > 0)
    moran = np.full(values.shape[1], np.nan)
    np.divide(n_spots * across, weight * spread, out=moran, where=varies)
    return moran


def _sparse_sums(
    values: sp.csr_matrix, graph: sp.csr_matrix, mean: Float[np.ndarray, " G"]
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """Sums of the centred values, expanded so that the zeros are never written out."""
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    across = np.asarray(values.multiply(graph @ values).sum(axis=0)).ravel()
    across = across - 2 * mean * (values.T @ degree) + mean**2 * degree.sum()
    spread = np.asarray(values.multiply(values).sum(axis=0)).ravel() - values.shape[0] * mean**2
    return across, spread
