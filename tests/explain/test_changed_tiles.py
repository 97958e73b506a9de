"""Predictions from changed tiles, and the prediction itself from tiles that are not changed."""

import numpy as np
import pytest
import torch

from histoscribe.explain.changed_tiles import ChangeableSection, ChangedTiles, unchanged
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.threads import fixed_threads
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.toys import BAG, SECTION, registered

SHOWN_EXEMPLARS = {"settings": {"egn": {"preset": "tiny"}}, "exemplars": {"n": 3}}
READS_TILES = {"settings": {"tcgn-xs": {"preset": "tiny"}}}
CASES = {
    "ridge": {},
    "egn": SHOWN_EXEMPLARS,
    "tcgn-xs": READS_TILES,
    SECTION: {},
    BAG: {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    tiny_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def section(folder):
    return read_cohort(folder / "cohort.csv")["P3S1"]


@pytest.fixture(scope="module", params=CASES)
def changeable(request, folder, section):
    with registered():
        settings = tiny_settings(
            folder / "cohort.csv",
            models=[request.param],
            sections=["P1S1", "P2S1"],
            **{
                "settings": {},
                "train": {"epochs": 1, "keep": "last"},
                **CASES[request.param],
            },
        )
        predictor = train(settings=settings, out=folder / request.param, cache=folder / "cache")
        with fixed_threads():
            yield ChangeableSection.of(predictor, section, folder / "cache")


def test_tiles_as_they_are_give_the_bits_of_the_prediction(changeable, folder):
    predicted = changeable.predict(unchanged)
    own = changeable.predictor(changeable.section, folder / "cache", keep_unlike=True)
    inside = own.head.spot_facts["clipped_genes"] == 0
    assert np.array_equal(predicted.values[inside], own.values[inside])
    queries = changeable.predictor.queries(changeable.section, folder / "cache")
    again = changeable.predictor.from_queries(changeable.section, queries)
    assert np.array_equal(predicted.values, again.values)
    for name, values in again.head.spot_facts.items():
        assert np.array_equal(predicted.head.spot_facts[name], values), name


def test_a_change_is_given_the_rows_of_its_tiles(changeable):
    own = changeable.images.read(np.arange(len(changeable.section.spots)))

    def mirrored(image, rows):
        assert torch.equal(image, own[torch.from_numpy(rows)])
        return image.flip(3)

    changeable.predict(mirrored)


def test_tiles_that_are_all_the_same_give_one_value(changeable):
    values = changeable.predict(lambda image, rows: torch.full_like(image, 90)).values
    if changeable.predictor.fitted.item == "spot":
        np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), atol=1e-5)
    assert not np.allclose(values, changeable.predict(unchanged).values)


def test_other_tiles_can_be_changed_instead(changeable):
    def half(image, rows):
        return image // 2

    dark = changeable.predict(unchanged, ChangedTiles(changeable.images, half))
    assert np.array_equal(changeable.predict(half).values, dark.values)


def test_scores_are_correlations_with_what_was_measured(changeable):
    predictor, section = changeable.predictor, changeable.section
    predicted = changeable.predict(unchanged).values
    measured = predictor.target.apply(section)
    expected = pearson_per_gene(predicted.astype(float), measured.astype(float))
    assert np.array_equal(changeable.scores(predicted), expected, equal_nan=True)
