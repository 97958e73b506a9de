"""Exemplars hang on no last bit: of features, of tiles in a net, of threads, of batch mates."""

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch

from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.images import StackedTiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.encoders.perceptual import SMALLEST_PX, load_perceptual
from tests.contracts.tables import planted_table, queries_of
from tests.data.exemplars.test_pool_and_search import DISTANCES, cohort

FIELDS = ExemplarSettings.model_fields
RETRIEVALS = [
    ExemplarSettings(n=3, distance=distance, draw=draw)
    for distance, draw in product(
        get_args(FIELDS["distance"].annotation), get_args(FIELDS["draw"].annotation)
    )
]
NET_ROUNDING = 1e-6  # between processors, of the length of what a net sees in a tile
KIND = np.arange(16) % 4


def rounded(feature, seed):
    """Features as another processor gives them: every number off by up to one unit of float32."""
    noise = np.random.default_rng(seed).uniform(-1, 1, feature.shape)
    return (feature * (1 + 2.0**-24 * noise)).astype(np.float32)


def tied_table():
    """Four kinds of spots: all of a kind are equal, in features and tiles."""
    table = planted_table(n_spots=16, n_features=64)
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (4, SMALLEST_PX, SMALLEST_PX, 3)).astype(np.uint8)
    # sorted as they are counted
    keys = replace(table.keys, spot=np.array([f"{row:02}" for row in range(len(KIND))]))
    image = StackedTiles([(tiles, KIND)])
    return replace(table, feature=table.feature[KIND], keys=keys, image=image)


def rough(net, seed):
    """A net on another processor: what it sees is off in its last bits, anew in every pass."""
    rng, embed = torch.Generator().manual_seed(seed), net.embed

    def embedded(image):
        seen = embed(image)
        noise = torch.randn(seen.shape, generator=rng)
        length = seen.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
        return seen + NET_ROUNDING * length * noise

    net.embed = embedded
    return net


def rows_of(table, settings, net):
    lookup = Lookup.of_table(table, settings, "patient", n_fitted=16, seed=1, perceptual=net)
    return lookup.of(replace(queries_of(table), image=table.image)).rows


@pytest.mark.parametrize("settings", RETRIEVALS, ids=lambda s: f"{s.distance}-{s.draw}")
def test_no_retrieval_changes_its_order_where_last_bits_change(settings):
    def net():
        return load_perceptual(random_seed=0) if settings.distance == "lpips" else None

    table = tied_table()
    exact = rows_of(table, settings, net())
    for seed in range(2):
        again = replace(table, feature=rounded(table.feature, seed))
        np.testing.assert_array_equal(rows_of(again, settings, net() and rough(net(), seed)), exact)
    if settings.draw == "nearest":
        assert (KIND[exact] == KIND[:, None]).all()
        assert (np.diff(exact) > 0).all()  # those of a kind in the order of the pool


def of_b(pool):
    """The spots of patient B as queries."""
    rows = np.flatnonzero(pool.keys.patient_names == "B")
    return SpotQueries(pool.feature[rows], pool.keys.take(rows), pool.encoder)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n", [1, 5, 40])
def test_near_ties_keep_the_order_of_the_pool_however_many_they_are(distance, n):
    # 60 spots of a patient are one spot but for its last bits, more than are looked at first
    pool = cohort([("A", "A1", 90), ("B", "B1", 10)], width=32)
    pool.feature[20:80] = pool.feature[20]
    for seed in range(5):
        near = replace(pool, feature=rounded(pool.feature, seed))
        found, exact = (
            ExemplarSearch(held, distance).nearest(of_b(held), n, "patient").rows
            for held in (near, pool)
        )
        np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_that_differ_by_more_than_rounding_are_no_ties(distance):
    pool = cohort([("A", "A1", 30), ("B", "B1", 1)], width=32)
    pool.feature[:30] = pool.feature[30] * np.linspace(1.001, 1.0002, 30, dtype=np.float32)[:, None]
    pool.feature[:30, 0] += np.linspace(0.02, 0.01, 30, dtype=np.float32)
    found = ExemplarSearch(pool, distance).nearest(of_b(pool), 30, "patient")
    np.testing.assert_array_equal(found.rows, [np.arange(30)[::-1]])


def test_threads_of_torch_and_its_library_of_convolutions_change_no_order():
    table, settings = tied_table(), ExemplarSettings(n=3, distance="lpips")
    exact = rows_of(table, settings, load_perceptual(random_seed=0))
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
            other = rows_of(table, settings, load_perceptual(random_seed=0))
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_array_equal(other, exact)
