from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.metrics.spatial import moran_i, neighbour_graph
from histoscribe.types import Section, Slide, Spots


class Blank(Slide):
    """An image of known size that is never read."""

    def __init__(self, side_px, mpp):
        self.path, self.width, self.height, self.mpp = Path("blank.png"), side_px, side_px, mpp

    def read(self, xy, side_px, mpp):
        raise NotImplementedError

    def overview(self, mpp):
        raise NotImplementedError

    def pixel_hash(self):
        raise NotImplementedError


def square(side=6, pitch_px=10.0):
    xy = np.stack(np.meshgrid(range(side), range(side)), axis=-1).reshape(-1, 2) * pitch_px + 5
    spots = Spots(tuple(map(str, range(side**2))), xy, diameter_um=10.0, pitch_um=pitch_px * 2)
    return Section("s", "p", Blank(1000, mpp=2.0), spots, None)


def test_neighbours_on_a_square_are_the_eight_around():
    graph = neighbour_graph(square())
    assert set(np.asarray(graph.sum(axis=1)).ravel()) == {3, 5, 8}
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0


def test_rows_give_the_graph_of_these_spots_alone():
    rows = np.array([0, 1, 20])
    assert neighbour_graph(square(), rows).toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_moran_i_is_its_definition_dense_and_sparse():
    rng = np.random.default_rng(0)
    values, graph = rng.poisson(0.7, size=(36, 5)).astype(np.float64), neighbour_graph(square())
    centred, w = values - values.mean(axis=0), graph.toarray()
    expected = 36 / w.sum() * np.einsum("ij,ig,jg->g", w, centred, centred) / (centred**2).sum(0)
    np.testing.assert_allclose(moran_i(values, graph), expected)
    np.testing.assert_allclose(moran_i(sp.csr_matrix(values), graph), expected)


def test_a_smooth_gene_is_high_a_chessboard_is_negative_a_constant_undefined():
    xy = square().spots.xy
    values = np.stack([xy[:, 0], (xy.sum(axis=1) / 10) % 2, np.full(36, 0.1)], axis=1)
    smooth, chess, flat = moran_i(values, neighbour_graph(square()))
    assert smooth > 0.5
    assert chess < 0
    assert np.isnan(flat)
    assert np.isnan(moran_i(sp.csr_matrix(values), neighbour_graph(square()))[2])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_without_neighbours_nothing_is_defined(kind):
    assert np.isnan(moran_i(kind(np.eye(3)), sp.csr_matrix((3, 3)))).all()
