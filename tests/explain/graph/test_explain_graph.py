"""`explain graph`: known edges give known self-loops, lengths and shares."""

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.graph.comparison import numbers
from histoscribe.explain.graph.window_graphs import WindowGraphs
from histoscribe.models.evidence import GraphModel, models_with
from tests.explain.planted import number
from tests.explain.planted_maps import SIDE, Corners, Linked, planted

PITCH_UM = 10.0


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)
    monkeypatch.setattr("histoscribe.explain.windows.MOST_WINDOWS", 4)
    monkeypatch.setattr("histoscribe.explain.random_networks.N_RANDOM", 3)


def graphs(*windows, weight=None):
    pairs = np.array(windows)
    weight = np.ones(pairs.shape[:2]) if weight is None else np.array(weight)
    return WindowGraphs(pairs[..., 0], pairs[..., 1], weight, SIDE, PITCH_UM)


def test_known_edges_have_known_lengths_and_self_loops():
    known = graphs([(0, 0), (0, 1), (0, 15), (9, 1), (5, 5)])
    assert known.self_loop.tolist() == [[True, False, False, False, True]]
    np.testing.assert_allclose(known.length_um[0], [0, 10, 10 * np.hypot(3, 3), 20, 0])
    np.testing.assert_allclose(known.quartiles_um(0)[1], 20)
    assert np.isnan(graphs([(3, 3), (2, 2)]).quartiles_um(0)).all()


def test_the_strongest_edges_are_no_self_loops_and_come_in_order():
    edges = graphs([(0, 0), (0, 1), (0, 15), (5, 5), (5, 1)], weight=[[0.9, 0.1, 0.3, 0.8, 0.3]])
    assert edges.strongest(0, 2).tolist() == [2, 4], "a tie goes to the first"
    assert edges.strongest(0, 30).tolist() == [2, 4, 1]


def test_shared_edges_have_a_direction_and_leave_out_self_loops():
    one = graphs([(0, 0), (0, 1), (2, 3)])
    other = graphs([(0, 0), (1, 0), (2, 3)])
    assert one.shared(0, other, 0) == 0.5
    assert np.isnan(graphs([(0, 0), (1, 1), (2, 2)]).shared(0, other, 0))


def test_a_graph_of_random_edges_is_as_random_edges_are():
    rng = np.random.default_rng(0)

    def drawn():
        cells = np.stack([rng.permutation(SIDE**4)[:60] for _ in range(30)])
        return graphs(*np.stack([cells // SIDE**2, cells % SIDE**2], axis=-1))

    statistic, null = numbers("first", drawn(), [drawn() for _ in range(3)])
    for name in ("self_loops_first", "median_um_first", "shared_first"):
        expected = number(null, f"{name}_random_edges")
        assert number(statistic, name) == pytest.approx(expected, rel=0.15)
        assert number(null, name) == pytest.approx(expected, rel=0.15)
    same = number(null, "shared_first_another_window")
    assert same == pytest.approx(number(null, "shared_first_random_edges"), rel=0.15)


def test_numbers_and_table_are_those_of_the_planted_graph(explained, tmp_path):
    request = explained.request(model=planted(Linked, explained.n_genes))
    finding = explained.answer("graph", tmp_path, request, edges=2)
    pitch_um = 64.0 / SIDE
    assert number(finding.statistic, "self_loops_first") == pytest.approx(2 / 6)
    assert number(finding.statistic, "self_loops_second") == 1
    expected = np.median([1, np.hypot(3, 3), 1, 2]) * pitch_um
    assert number(finding.statistic, "median_um_first") == pytest.approx(expected)
    assert np.isnan(number(finding.statistic, "median_um_second"))
    assert number(finding.null, "self_loops_second") == 1, "random networks have them, too"
    assert number(finding.null, "shared_first_another_window") == 1, "it ignores the window"
    table = pd.read_csv(tmp_path / "graph.csv")
    assert len(table) == 2 * 4 * 4, "two graphs, four windows, a trained and three random networks"
    trained = table[(table["network"] == "trained") & (table["graph"] == "first")]
    assert set(trained["n_edges"]) == {6}
    assert set(trained["self_loops"]) == {2}
    np.testing.assert_allclose(trained["median_um"], expected, rtol=1e-5)
    assert trained["in_figure"].sum() == 3
    assert planted(Linked, 2).training


def test_the_same_question_gives_the_same_bytes(explained, tmp_path):
    request = explained.request(model=planted(Linked, explained.n_genes))
    for name in ("one", "two"):
        explained.answer("graph", tmp_path / name, request)
    for file in ("question.json", "finding.json", "graph.csv", "graph.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_models_without_a_graph_are_refused_with_the_names_of_those_that_have_one(
    explained, tmp_path
):
    out = tmp_path / "out"
    with pytest.raises(DataContractError) as error:
        explained.answer("graph", out, section="P9S1")
    assert [problem.where for problem in error.value.problems] == [
        "section P9S1",
        f"predictor {explained.predictor.name}",
    ]
    assert "egn makes no graph" in error.value.problems[1].found
    assert ", ".join(models_with(GraphModel)) in error.value.problems[1].expected
    mapped = explained.request(model=planted(Corners, explained.n_genes))
    with pytest.raises(DataContractError, match="corners makes no graph"):
        explained.answer("graph", out, mapped)
    without = explained.request(model=planted(Linked, explained.n_genes, graph=False))
    with pytest.raises(DataContractError, match="with its settings makes no graph"):
        explained.answer("graph", out, without)
    linked = explained.request(model=planted(Linked, explained.n_genes))
    with pytest.raises(DataContractError, match="at most 256"):
        explained.answer("graph", out, linked, edges=257)
    with pytest.raises(DataContractError, match="no such spot"):
        explained.answer("graph", out, linked, spots="nowhere")
    assert not out.exists()
