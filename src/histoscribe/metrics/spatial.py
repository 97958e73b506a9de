"""Neighbour graph of the spots of a section, and Moran's I."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.spatial import Delaunay, cKDTree

from histoscribe.types import Section

NEIGHBOUR_PITCHES = 1.5
"""Neighbours lie within this many pitches: eight on a square array, six on a hexagonal one
(whose second ring starts at 1.73), with room for the jitter of printed spots."""
_WHISKER = 1.5  # interquartile ranges above the third quartile, as in a box plot

Pairs = Int[np.ndarray, "pairs 2"]


def neighbour_graph(
    section: Section, rows: Int[np.ndarray, " rows"] | None = None
) -> sp.csr_matrix:
    """Ones between neighbouring spots: symmetric [N, N], zero diagonal.

    On a lattice, neighbours lie within 1.5 pitches. Without one they are joined by an edge of the
    Delaunay triangulation (as of cells in Miller et al. 2021, doi:10.1101/gr.271288.120) that is
    no longer than the upper whisker of all edges, the third quartile plus 1.5 interquartile
    ranges: longer ones bridge holes and bays of the tissue (the rule of Giotto, Dries et al.
    2021, doi:10.1186/s13059-021-02286-2).

    With `rows`, the graph of these spots alone, in their order: two spots are neighbours there
    if they are in the whole section.
    """
    spots = section.spots
    if spots.pitch_um is None:
        graph = _graph(_delaunay_pairs(spots.xy), len(spots))
        return graph if rows is None else sp.csr_matrix(graph[rows][:, rows])
    xy = spots.xy if rows is None else spots.xy[rows]
    near_px = NEIGHBOUR_PITCHES * spots.pitch_um / section.slide.mpp
    return _graph(cKDTree(xy).query_pairs(near_px, output_type="ndarray"), len(xy))


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


def _graph(pairs: Pairs, n_spots: int) -> sp.csr_matrix:
    ones = np.ones(len(pairs), dtype=np.float64)
    half = sp.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(n_spots, n_spots))
    return sp.csr_matrix(half + half.T)


def _delaunay_pairs(xy: Float[np.ndarray, "N 2"]) -> Pairs:
    """Each edge of the triangulation once, without those above the whisker."""
    centred = xy - xy.mean(axis=0)
    if len(xy) < 4 or np.linalg.matrix_rank(centred) < 2:
        pairs = _along_a_line(centred)
    else:
        triangles = Delaunay(centred)
        corners = triangles.simplices
        # a spot in the place of another is no corner: it is joined to the one that is
        doubles = triangles.coplanar[:, [0, 2]]
        pairs = np.concatenate(
            [corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]], doubles]
        )
    low, high = np.sort(pairs.astype(np.int64), axis=1).T
    # two triangles share most edges; whole numbers are sorted ten times faster than rows
    pairs = np.stack(np.divmod(np.unique(low * len(xy) + high), len(xy)), axis=1)
    if len(pairs) == 0:
        return pairs
    length = np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1)
    lower, upper = np.percentile(length, [25, 75])
    return pairs[length <= upper + _WHISKER * (upper - lower)]


def _along_a_line(centred: Float[np.ndarray, "N 2"]) -> Pairs:
    """Each spot and the next one: too few spots, or all in a line, make no triangle."""
    longer = int(np.ptp(centred, axis=0).argmax()) if len(centred) else 0
    order = np.lexsort((centred[:, 1 - longer], centred[:, longer]))
    return np.stack([order[:-1], order[1:]], axis=1)


def _sparse_sums(
    values: sp.csr_matrix, graph: sp.csr_matrix, mean: Float[np.ndarray, " G"]
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """Sums of the centred values, expanded so that the zeros are never written out."""
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    across = np.asarray(values.multiply(graph @ values).sum(axis=0)).ravel()
    across = across - 2 * mean * (values.T @ degree) + mean**2 * degree.sum()
    spread = np.asarray(values.multiply(values).sum(axis=0)).ravel() - values.shape[0] * mean**2
    return across, spread
