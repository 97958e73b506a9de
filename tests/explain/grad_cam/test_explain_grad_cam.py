"""`explain grad-cam`: maps lie where they were planted, and are compared with random networks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from histoscribe.errors import DataContractError
from histoscribe.explain.grad_cam.comparison import MapSets, numbers
from histoscribe.explain.grad_cam.gene_maps import gene_maps
from histoscribe.explain.grad_cam.likeness import rank_correlation, shared_fifth
from histoscribe.explain.random_networks import random_networks
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.evidence import ClassMapModel, models_with
from tests.explain.planted import number
from tests.explain.planted_maps import SIDE, Corners, planted

NEW = "P3S1"  # of a patient that was not in training
CPU = torch.device("cpu")
HALF = SIDE // 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)
    monkeypatch.setattr("histoscribe.explain.windows.MOST_WINDOWS", 8)
    monkeypatch.setattr("histoscribe.explain.random_networks.N_RANDOM", 3)


@pytest.fixture
def image():
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 3, 16, 16)))
    return pixels.to(torch.uint8)


def test_a_gene_of_one_corner_has_its_map_there_only(image):
    maps = gene_maps(planted(Corners, 2), image, (0, 1), CPU)
    assert maps.shape == (3, 2, SIDE, SIDE)
    in_corner, elsewhere = maps[:, 0, :HALF, :HALF], maps[:, 0].copy()
    elsewhere[:, :HALF, :HALF] = 0
    assert (in_corner > 0).all()
    assert (elsewhere == 0).all()
    assert (maps[:, 1, :HALF, :HALF] == 0).all()
    assert (maps[:, 1, HALF:] > 0).all()


def test_a_map_is_its_channels_weighted_by_their_mean_slope(image):
    network = planted(Corners, 2)
    with torch.no_grad():
        network.reads[0] = torch.tensor([2.0, -1.0])
    channels = network.class_map(image).detach().double().numpy()
    slope = np.array([2.0, -1.0]) / SIDE**2
    expected = np.maximum(np.einsum("c,nchw->nhw", slope, channels), 0)
    found = gene_maps(network, image, (0,), CPU)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (found[:, HALF:] == 0).all(), "what lowers the gene is cut off"


def test_rank_correlation_and_strongest_fifth_are_those_of_known_maps():
    rising = np.arange(10.0)[None]
    assert rank_correlation(rising, rising**2)[0] == pytest.approx(1)
    assert rank_correlation(rising, rising[:, ::-1])[0] == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.zeros((1, 10)), rising)[0])
    assert np.isnan(rank_correlation(rising, np.ones((1, 10)))[0])
    assert shared_fifth(rising, rising[:, ::-1])[0] == 0
    half = np.where(rising == 8, 100.0, np.where(rising == 0, 50.0, 0.0))
    assert shared_fifth(rising, half)[0] == 0.5
    assert np.isnan(shared_fifth(rising, np.zeros((1, 10)))[0])


def test_maps_that_training_did_not_change_are_told_by_the_numbers():
    rng = np.random.default_rng(0)
    maps = rng.random((6, 2, 49))
    other_genes = rng.random((6, 3, 49))
    off_tissue = np.zeros((6, 49))
    same = MapSets(maps, np.stack([maps, maps, maps]), other_genes, off_tissue)
    statistic, null = numbers(same)
    for name in ("rank_correlation", "strongest_fifth"):
        assert number(statistic, name) == pytest.approx(1)
        assert number(null, name) == pytest.approx(1)
    assert abs(number(null, "rank_correlation_shuffled")) < 0.05
    assert abs(number(null, "rank_correlation_another_window")) < 0.1
    assert abs(number(null, "rank_correlation_another_gene")) < 0.1
    assert number(null, "strongest_fifth_shuffled") == pytest.approx(0.2, abs=0.03)
    unlike = MapSets(maps, rng.random((3, 6, 2, 49)), other_genes, off_tissue)
    found = next(item for item in numbers(unlike)[0] if item.name == "rank_correlation")
    assert abs(found.value) < 0.1
    assert found.low <= found.value <= found.high


def test_maps_of_zeros_are_counted_and_take_no_part():
    maps = np.random.default_rng(1).random((4, 1, 49))
    maps[0] = 0
    off_tissue = np.full((4, 49), 0.25)
    statistic, null = numbers(MapSets(maps, np.stack([maps, maps]), maps[:, :0], off_tissue))
    assert number(statistic, "empty_maps") == number(null, "empty_maps") == 0.25
    assert number(statistic, "rank_correlation") == pytest.approx(1)
    assert number(statistic, "off_tissue") == pytest.approx(0.25)
    assert number(null, "area_off_tissue") == 0.25
    assert np.isnan(number(null, "rank_correlation_another_gene")), "there is no other gene"


def test_random_networks_differ_and_are_the_same_each_time(explained):
    request = explained.request(model=planted(Corners, explained.n_genes))
    state = torch.random.get_rng_state()
    first, again = (random_networks(request.predictor) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    for network, same in zip(first, again, strict=True):
        assert torch.equal(network.reads, same.reads)
    assert len({float(network.reads.detach().sum()) for network in first}) == 3
    request.predictor.model.corner.fill_(0.5)
    assert float(random_networks(request.predictor)[0].corner[0, 0]) == 0.5


def test_the_table_has_a_line_for_each_window_and_gene(explained, tmp_path):
    request = explained.request(model=planted(Corners, explained.n_genes))
    genes = explained.predictor.gene_labels[1:3]
    finding = explained.answer("grad-cam", tmp_path, request, genes=genes)
    table = pd.read_csv(tmp_path / "grad-cam.csv")
    assert len(table) == 8 * 2
    assert table["gene"].tolist() == 8 * list(genes)
    drawn = table[table["in_figure"]]
    assert drawn["choice"].tolist() == [
        *4 * ["highest predicted"],
        *4 * ["lowest predicted"],
        *4 * ["drawn at random"],
    ]
    section = read_cohort(explained.manifest)[NEW]
    rows = [section.spots.ids.index(spot) for spot in table["spot"]]
    places = [
        explained.predictor.target.genes.index(gene) for gene in finding.about["gene_ids"].split()
    ]
    cache = explained.folder / "cache"
    predicted = request.predictor(section, cache, keep_unlike=True).values
    measured = explained.predictor.target.apply(section)
    for name, values in (("predicted", predicted), ("measured", measured)):
        np.testing.assert_allclose(table[name], values[rows, np.tile(places, 8)], rtol=1e-4)
    first = table[table["gene"] == genes[0]]["predicted"]
    assert first.iloc[0] == pytest.approx(predicted[:, places[0]].max(), rel=1e-4)
    known = table["rank_correlation"].dropna()
    assert len(known) >= 8
    assert known.between(-1, 1).all()
    assert (table["rank_correlation_low"].dropna() <= known).all()
    assert finding.about["section"] == NEW


def test_asking_changes_nothing(explained, tmp_path):
    network = planted(Corners, explained.n_genes)
    request = explained.request(model=network)
    spot = request.cohort[NEW].spots.ids[4]
    explained.answer("grad-cam", tmp_path, request, spots=spot)
    assert network.training
    assert network.reads.grad is None
    table = pd.read_csv(tmp_path / "grad-cam.csv")
    assert table["in_figure"].sum() == 1
    assert table["spot"][0] == spot


def test_the_same_question_gives_the_same_bytes(explained, tmp_path):
    request = explained.request(model=planted(Corners, explained.n_genes))
    for name in ("one", "two"):
        explained.answer("grad-cam", tmp_path / name, request)
    for file in ("question.json", "finding.json", "grad-cam.csv", "grad-cam.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_wrong_requests_come_at_once(explained, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataContractError) as error:
        explained.answer("grad-cam", out, section="P9S1", genes="NOPE")
    where = [problem.where for problem in error.value.problems]
    assert where == ["section P9S1", f"predictor {explained.predictor.name}", "gene NOPE"]
    assert "egn has no map of channels" in error.value.problems[1].found
    assert ", ".join(models_with(ClassMapModel)) in error.value.problems[1].expected
    request = explained.request(model=planted(Corners, explained.n_genes))
    with pytest.raises(DataContractError, match="at most 6"):
        explained.answer("grad-cam", out, request, genes=explained.predictor.gene_labels[:7])
    with pytest.raises(DataContractError, match="no such spot"):
        explained.answer("grad-cam", out, request, spots="nowhere")
    predictor = request.predictor
    finer = replace(predictor, encoding=replace(predictor.encoding, mpp=0.01))
    with pytest.raises(DataContractError, match=r"0\.01 um/px or finer"):
        explained.answer("grad-cam", out, replace(request, predictors=(finer,)))
    assert not out.exists()
