from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.metrics.spatial import moran_i, neighbour_graph
from histoscribe.seed import stream
from histoscribe.types import Section, Slide, Spots
from tests.sections_by_shape import SHAPES, section_of


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


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_the_shape_the_graph_is_symmetric_and_that_of_rows_is_a_part_of_it(shape):
    section = section_of(shape)
    graph = neighbour_graph(section)
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert set(graph.data) == {1.0}
    rows = stream(0, "rows").permutation(len(section.spots))[: 200 if shape != "circles" else 60]
    assert (neighbour_graph(section, rows) != graph[rows][:, rows]).nnz == 0


def test_bins_have_eight_neighbours_and_hexagonal_spots_six():
    most = {shape: neighbour_graph(section_of(shape)).sum(axis=1).max() for shape in SHAPES}
    assert (most["squares"], most["circles"]) == (8, 6)


def cells(xy):
    xy = np.asarray(xy, dtype=np.float64)
    return Section("s", "p", Blank(5000, 0.5), Spots(_ids(xy), xy, 10.0, None, "cells"), None)


def _ids(xy):
    return tuple(map(str, range(len(xy))))


def test_cells_have_about_six_neighbours_however_dense_they_are():
    """Euler: a triangulation of many points has six edges a point, wherever they lie."""
    section = section_of("cells")
    dense = np.concatenate([section.spots.xy, section.spots.xy / 4 + 2200])
    for xy in (section.spots.xy, dense):
        degree = np.asarray(neighbour_graph(cells(xy)).sum(axis=1)).ravel()
        assert 5 < degree.mean() < 6


def test_neighbours_of_cells_are_near_and_no_edge_bridges_a_hole():
    draw = stream(0, "two islands")
    left, right = draw.uniform(0, 500, (300, 2)), draw.uniform((2000, 0), (2500, 500), (300, 2))
    graph = neighbour_graph(cells(np.concatenate([left, right])))
    assert graph[:300, :300].nnz > 1000
    assert graph[:300, 300:].nnz == 0


def test_the_graph_of_cells_does_not_hang_on_their_order_place_or_scale():
    xy = section_of("cells").spots.xy
    graph = neighbour_graph(cells(xy))
    order = stream(0, "order").permutation(len(xy))
    assert (neighbour_graph(cells(xy[order])) != graph[order][:, order]).nnz == 0
    assert (neighbour_graph(cells(xy / 2 + 300)) != graph).nnz == 0


@pytest.mark.parametrize(
    ("xy", "edges"),
    [
        ([[5, 5]], []),
        ([[5, 5], [9, 5]], [(0, 1)]),
        ([[15, 5], [5, 5], [10, 5]], [(0, 2), (1, 2)]),
        ([[i * 3, i * 3] for i in range(5)], [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([[0, 0], [10, 0], [0, 10], [11, 12], [11, 12]], [(3, 4)]),
    ],
    ids=["one", "two", "three", "in a line", "two in one place"],
)
def test_few_cells_and_cells_in_a_line_have_neighbours_too(xy, edges):
    graph = neighbour_graph(cells(xy))
    found = {(i, j) for i, j in zip(*graph.nonzero(), strict=True) if i < j}
    assert found >= set(edges)
    assert graph.diagonal().sum() == 0


def test_a_pattern_over_cells_is_seen_and_noise_is_not():
    section = section_of("cells")
    x = section.spots.xy[:, 0]
    noise = stream(0, "noise").normal(size=len(x))
    smooth, none = moran_i(np.stack([np.sin(x / 200), noise], axis=1), neighbour_graph(section))
    assert smooth > 0.8
    assert abs(none) < 0.1


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
