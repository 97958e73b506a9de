"""Tiles leave the bag of a bag model, and are blurred for the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.explain.where.against.comparison import compare
from histoscribe.explain.where.against.gene_values import gene_reference, measured_reference
from histoscribe.explain.where.faithfulness import faithfulness
from histoscribe.explain.where.spot_map import SpotMap
from histoscribe.explain.where.tile_removal import TileRemoval, blurred, tile_places
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.toys import BAG, SECTION, registered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("removal")
    tiny_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def section(folder):
    return read_cohort(folder / "cohort.csv")["P3S1"]


@pytest.fixture(scope="module", params=["ridge", SECTION, BAG])
def removal(request, folder, section):
    with registered():
        settings = tiny_settings(
            folder / "cohort.csv",
            models=[request.param],
            sections=["P1S1", "P2S1"],
            settings={},
            train={"epochs": 1, "keep": "last"},
        )
        cache = folder / "cache"
        predictor = train(settings=settings, out=folder / request.param, cache=cache)
        yield TileRemoval(predictor, section, predictor.queries(section, cache))


def test_all_tiles_give_the_prediction_of_the_section(removal):
    every = np.ones((1, len(removal.queries)), dtype=bool)
    whole = removal.predictor.from_queries(removal.section, removal.queries)
    expected = whole.head.gene_facts.get("bag", whole.values.mean(axis=0))
    assert removal.values_of(2)(every)[0] == pytest.approx(expected[2], rel=1e-5, abs=1e-5)


def test_removed_tiles_change_the_prediction_as_their_kind_of_model_says(removal):
    tiles = np.arange(len(removal.queries)) % 3 != 0
    every, none = np.ones(len(tiles), dtype=bool), np.zeros(len(tiles), dtype=bool)
    value, rest, whole = removal.values_of(2)(np.stack([tiles, ~tiles, every]))
    if removal.predictor.fitted.item == "bag":
        # the toy reads the mean feature of what is left
        rows = np.flatnonzero(tiles)
        feature = removal.queries.feature[rows].mean(axis=0, keepdims=True)
        given = torch.from_numpy(feature)[None], torch.ones((1, 1), dtype=torch.bool)
        with torch.no_grad():
            expected = removal.predictor.model(*given).expression[0, 2]
        assert value == pytest.approx(float(expected), rel=1e-4)
    elif removal.predictor.fitted.item == "spot":
        (blurred_only,) = removal.values_of(2)(none[None])
        assert value + rest == pytest.approx(whole + blurred_only)  # each spot stands for itself
        assert value != whole
    else:
        assert value != whole


def test_a_blurred_tile_keeps_its_colour_and_loses_its_detail():
    image = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    )
    smooth = blurred(image)
    assert smooth.dtype == torch.uint8
    assert abs(float(smooth.float().mean() - image.float().mean())) < 1.0
    assert smooth.float().std() < 0.05 * image.float().std()


def test_places_of_tiles_have_neighbours_and_tissue(removal):
    place = tile_places(removal.section, removal.predictor)
    assert place.graph.shape == (len(removal.queries),) * 2
    assert (place.graph != place.graph.T).nnz == 0
    assert 0.5 < place.tissue.mean() <= 1.0


def test_genes_are_measured_in_the_unit_of_the_target(removal):
    predictor, section = removal.predictor, removal.section
    reference = measured_reference(predictor, section, 2)
    np.testing.assert_allclose(reference.value, predictor.target.apply(section)[:, 2], rtol=1e-6)
    assert reference.name == f"measured_{predictor.gene_labels[2]}"
    assert 0 < reference.positive.sum() <= len(reference.positive) / 2
    predicted = np.random.default_rng(0).standard_normal((len(section.spots), 12))
    other = gene_reference(predictor, predicted, 5)
    np.testing.assert_array_equal(other.value, predicted[:, 5])
    assert other.name == f"predicted_{predictor.gene_labels[5]}"


def test_a_section_without_counts_has_no_measured_gene(removal, section):
    assert measured_reference(removal.predictor, replace(section, counts=None), 0) is None


def test_every_map_is_tested_and_a_failure_comes_first(removal):
    predicted = removal.predictor.fitted.predict(removal.queries).values
    random = np.random.default_rng(0).standard_normal((2, len(predicted)))
    maps = [
        SpotMap(gene=2, label="G2", kind="prediction", values=-predicted[:, 2], is_weight=False),
        SpotMap(gene=2, label="G2", kind="attention", values=random[0], is_weight=True),
        SpotMap(gene=5, label="G5", kind="prediction", values=random[1], is_weight=False),
    ]
    found = faithfulness([removal], maps)
    assert found.failures[0].startswith("FAILED: the map of prediction of G2")
    assert list(found.table["map"]) == ["prediction", "attention", "prediction"]
    assert found.table["failed"][0]
    names = {number.name for number in found.statistic}
    assert {"deletion_prediction", "p_deletion_prediction", "deletion_attention"} <= names
    assert ("sufficiency_attention" in names) == (removal.predictor.fitted.item != "spot")
    assert {number.name for number in found.null} == {n for n in names if not n.startswith("p_")}
    assert (removal.predictor.fitted.item == "bag") == ("out of the bag" in found.caveats[0])


def test_every_map_is_held_against_the_references_of_its_gene(removal):
    predictor, section = removal.predictor, removal.section
    values = predictor.fitted.predict(removal.queries).values.astype(np.float64)
    maps = [
        SpotMap(gene=of, label=f"G{of}", kind="prediction", values=values[:, of], is_weight=False)
        for of in (2, 5)
    ]
    found = compare(
        maps,
        lambda gene: [
            measured_reference(predictor, section, gene),
            gene_reference(predictor, values, 7),
        ],
        section.spots.xy * section.slide.mpp,
    )
    table = found.table
    assert list(table["gene"]) == ["G2", "G2", "G5", "G5"]
    measured, other = (f"measured_{predictor.gene_labels[2]}", predictor.gene_labels[7])
    assert [number.name for number in found.null] == [
        f"correlation_{measured}",
        f"auroc_{measured}",
        f"correlation_predicted_{other}",
        f"auroc_predicted_{other}",
    ]
    correlation = np.corrcoef(values[:, 5], values[:, 7])[0, 1]
    assert table["correlation"][3] == pytest.approx(correlation, abs=1e-5)
    assert {"p_auroc", "correlation_low", "spots", "positive"} <= set(table.columns)
    assert "G2" in found.caveats[0]
