"""Bags of which a network reads fewer tiles keep their label; the order of tiles has no part."""

import numpy as np
import torch

from histoscribe.data.items.bag_table import BagTable
from histoscribe.data.items.bags import BagItems
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.data.items.limited_bags import LimitedBags, limited, spaced, super_tiles
from histoscribe.types import SpotKeys, SpotTable, TileLimit

NAMES = ("context_feature", "present")


def bags(seed=0):
    """A bag of 40 tiles on two slides, in three groups, and one of 5 tiles."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0.0, 10.0, 20.0], 15)
    feature = (group[:, None] + 0.1 * rng.normal(size=(45, 4))).astype(np.float32)
    section = ["A1"] * 30 + ["A2"] * 10 + ["B1"] * 5
    table = SpotTable(
        feature=feature,
        target=feature[:, :2],
        log_total=np.zeros(45),
        keys=SpotKeys.of_names(section, [name[0] for name in section], list(map(str, range(45)))),
        inner=(),
        encoder="made",
        xy_um=np.zeros((45, 2)),
    )
    return BagItems(table, (np.arange(40), np.arange(40, 45)))


def test_no_limit_gives_the_same_items():
    whole = bags()
    assert limited(whole, TileLimit()) is whole
    once = limited(whole, TileLimit(most=3))
    assert isinstance(once, LimitedBags)
    assert limited(once, TileLimit(most=3)) is once


def test_a_larger_bag_gives_some_of_its_tiles_and_its_whole_label():
    whole, fewer = bags(), limited(bags(), TileLimit(most=12))
    rows = np.arange(2)
    given = fewer.inputs(NAMES, rows)
    assert given["present"].sum(dim=1).tolist() == [12, 5]
    assert fewer.n_spots(rows).tolist() == [12, 5]
    tiles = {tuple(tile) for tile in whole.table.feature.tolist()}
    assert {tuple(tile) for tile in given["context_feature"][0].tolist()} <= tiles
    torch.testing.assert_close(fewer.labels(rows).target, whole.labels(rows).target)


def test_super_tiles_of_many_slides_stay_within_the_limit_whenever_they_are_read():
    fewer = limited(bags(), TileLimit(most=4, super_tiles=3))
    first = fewer.inputs(NAMES, np.array([0]))["context_feature"]
    again = fewer.inputs(NAMES, np.array([0]))["context_feature"]
    assert first.shape[1] == 4
    assert torch.equal(first, again)
    assert fewer.n_spots(np.arange(2)).tolist() == [4, 3]


def test_the_number_of_tiles_is_known_without_their_features(monkeypatch):
    fewer = limited(bags(), TileLimit(most=12))
    monkeypatch.setattr(BagItems, "inputs", None)
    assert fewer.n_spots(np.arange(2)).tolist() == [12, 5]


def test_bags_within_the_limit_are_read_as_they_are():
    whole, fewer = bags(), limited(bags(), TileLimit(most=40, super_tiles=40))
    for name, value in fewer.inputs(NAMES, np.arange(2)).items():
        torch.testing.assert_close(value, whole.inputs(NAMES, np.arange(2))[name])


def test_super_tiles_are_means_of_similar_tiles_of_one_slide():
    given = limited(bags(), TileLimit(super_tiles=3)).inputs(NAMES, np.array([0]))
    means = given["context_feature"][0].mean(dim=1)
    # the first slide has two groups, of 15 tiles each, and the second only the third
    first, second = means[:3].sort().values, means[3:]
    assert len(second) == 3
    assert (second - 20).abs().max() < 0.3
    assert first[0] < 0.3
    assert first[-1] > 9.7


def test_bags_with_a_measured_label_are_limited_as_well():
    spots = bags().table
    table = BagTable(
        feature=spots.feature,
        xy_um=spots.xy_um,
        slide=spots.keys.section,
        runs=bags().runs,
        target=np.array([[1.0], [2.0]]),
        log_total=np.zeros(2),
        keys=SpotKeys.of_names(["A", "B"], ["A", "B"], ["A", "B"]),
        inner=(),
        encoder="made",
    )
    fewer = limited(LabelledBags(table), TileLimit(super_tiles=3))
    known = limited(bags(), TileLimit(super_tiles=3))
    for name, value in fewer.inputs(NAMES, np.arange(2)).items():
        torch.testing.assert_close(value, known.inputs(NAMES, np.arange(2))[name])
    assert fewer.labels(np.arange(2)).target.tolist() == [[1.0], [2.0]]


def test_super_tiles_are_fitted_once(monkeypatch):
    items = limited(bags(), TileLimit(super_tiles=3))
    first = items.inputs(NAMES, np.array([0]))["context_feature"]
    monkeypatch.setattr("histoscribe.data.items.limited_bags.super_tiles", None)
    assert torch.equal(items.inputs(NAMES, np.array([0]))["context_feature"], first)


def test_the_order_of_tiles_changes_neither_a_draw_nor_super_tiles():
    feature = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    feature[:, :4] = 0  # tiles that only later features tell apart
    mixed = feature[np.random.default_rng(2).permutation(50)]
    np.testing.assert_array_equal(spaced(feature, 9), spaced(mixed, 9))
    np.testing.assert_array_equal(super_tiles(feature, 5), super_tiles(mixed, 5))


def test_fewer_different_tiles_than_super_tiles_are_the_tiles():
    feature = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    assert len(super_tiles(feature, 5)) == 3
