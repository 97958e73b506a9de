"""Items: whole on one side of a fold, filled up where shorter, each spot predicted once."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from histoscribe.data.items.bags import BagItems
from histoscribe.data.items.kinds import ITEMS, bags_to_predict, items_to_predict, training_sides
from histoscribe.data.items.spots import SpotItems, SpotQueries, places_um
from histoscribe.types import Item, SpotKeys, SpotTable
from tests.data.fakes_for_data import fake_section


def table(copies=1, xy_um=None):
    """Patient P has sections a (3 spots) and b (2), patient Q has c (4), rows mixed."""
    section = list("acabbcacc")
    patient = ["Q" if name == "c" else "P" for name in section]
    keys = SpotKeys.of_names(section, patient, [str(row) for row in range(9)])
    feature = np.arange(9.0, dtype=np.float32)[:, None] * np.ones((1, 2), dtype=np.float32)
    return SpotTable(
        feature=np.concatenate([feature + view for view in range(copies)]),
        target=np.concatenate(copies * [10 * feature]),
        log_total=np.zeros(copies * 9),
        keys=SpotKeys.concatenate(copies * [keys]),
        inner=(),
        encoder="made",
        copies=copies,
        xy_um=xy_um,
    )


def rows_of(items, numbers):
    return [items.runs[number].tolist() for number in numbers]


def test_there_are_items_for_every_kind():
    assert set(ITEMS) == set(get_args(Item))


def test_sections_and_bags_hold_their_own_rows():
    spots, every = SpotItems(table()), np.arange(9)
    sections = training_sides("section", spots, every, None)
    assert rows_of(sections.items, sections.fit) == [[0, 2, 6], [3, 4], [1, 5, 7, 8]]
    assert sections.val is None
    bags = training_sides("bag", spots, every, None)
    assert rows_of(bags.items, bags.fit) == [[0, 2, 3, 4, 6], [1, 5, 7, 8]]


def test_jittered_views_are_items_of_their_own():
    sides = training_sides("section", SpotItems(table(copies=2)), np.arange(18), None)
    assert rows_of(sides.items, sides.fit) == [
        [0, 2, 6], [3, 4], [1, 5, 7, 8], [9, 11, 15], [12, 13], [10, 14, 16, 17],
    ]  # fmt: skip


def test_of_a_divided_section_each_side_has_its_own_part():
    fit, val = np.array([0, 1, 2, 3, 4]), np.array([5, 6, 7, 8])
    sides = training_sides("section", SpotItems(table()), fit, val)
    assert rows_of(sides.items, sides.fit) == [[0, 2], [3, 4], [1]]
    assert rows_of(sides.items, sides.val) == [[6], [5, 7, 8]]
    np.testing.assert_array_equal(sides.items.spots(sides.val), [6, 5, 7, 8])


def test_a_patient_is_never_a_bag_on_both_sides():
    spots = SpotItems(table())
    of_p, of_q = np.array([0, 2, 3, 4, 6]), np.array([1, 5, 7, 8])
    apart = training_sides("bag", spots, of_p, of_q)
    assert rows_of(apart.items, apart.val) == [of_q.tolist()]
    divided = training_sides("bag", spots, np.array([0, 2, 6]), np.array([3, 4]))
    assert divided.val is None
    assert rows_of(divided.items, divided.fit) == [of_p.tolist(), of_q.tolist()]


def test_shorter_items_are_filled_up_and_say_so():
    xy_um = np.arange(18.0).reshape(9, 2)
    sides = training_sides("section", SpotItems(table(xy_um=xy_um)), np.arange(9), None)
    given = sides.items.inputs(("context_feature", "context_um", "present"), sides.fit)
    assert given["present"].tolist() == [
        [True, True, True, False], [True, True, False, False], [True, True, True, True],
    ]  # fmt: skip
    assert given["context_feature"][1, :, 0].tolist() == [3, 4, 0, 0]
    assert given["context_um"][1].tolist() == [[6, 7], [8, 9], [0, 0], [0, 0]]
    labels = sides.items.labels(sides.fit)
    assert labels.target[1, :, 0].tolist() == [30, 40, 0, 0]
    assert torch.equal(labels.present, given["present"])
    assert labels.patient.tolist() == [0, 0, 1]


def test_the_label_of_a_bag_is_the_mean_of_its_spots():
    sides = training_sides("bag", SpotItems(table()), np.arange(9), None)
    labels = sides.items.labels(sides.fit)
    assert labels.target[:, 0].tolist() == [30.0, 52.5]
    assert sides.items.spots(sides.fit) is None


def test_only_named_fields_are_built_and_places_only_where_they_are_known():
    sides = training_sides("section", SpotItems(table()), np.arange(9), None)
    assert set(sides.items.inputs(("present",), sides.fit)) == {"present"}
    with pytest.raises(ValueError, match="have no positions"):
        sides.items.inputs(("context_um",), sides.fit)


@pytest.mark.parametrize("kind", get_args(Item))
def test_every_spot_to_predict_is_given_once(kind):
    of = table()
    spots = SpotItems(SpotQueries(of.feature, of.keys, of.encoder))
    items = items_to_predict(kind, spots)
    assert sorted(items.spots(np.arange(len(items)))) == list(range(9))
    with pytest.raises(ValueError, match=r"labels|never trained on"):
        items.labels(np.arange(1))


def test_sections_of_no_known_patient_are_bags_by_themselves():
    keys = SpotKeys.of_names(list("xyxz"), [None, "P", None, None], list("0123"))
    bags = bags_to_predict(SpotItems(SpotQueries(np.ones((4, 1), np.float32), keys, "made")))
    assert rows_of(bags, range(3)) == [[1], [0, 2], [3]]
    assert isinstance(bags, BagItems)


def test_places_are_in_um_from_the_centroid_wherever_the_section_lies():
    section = fake_section("S", "P", np.ones((9, 2), dtype=np.int64))
    moved = replace(
        section, spots=replace(section.spots, xy=section.spots.xy + np.array([900.0, 70.0]))
    )
    np.testing.assert_allclose(places_um(moved), places_um(section), atol=1e-9)
    np.testing.assert_allclose(places_um(section).mean(axis=0), 0, atol=1e-9)
    assert np.ptp(places_um(section)[:, 0]) == pytest.approx(2 * 100.0 * 2.0)


def test_counts_come_with_the_size_factor_of_their_spots_or_their_sum_of_the_bag():
    total = 1000.0 * np.arange(1, 10)
    counts = np.arange(18, dtype=np.float32).reshape(9, 2)
    spots = SpotItems(replace(table(), log_total=np.log1p(total), counts=counts))
    one = spots.labels(np.array([4, 0]))
    torch.testing.assert_close(one.counts, torch.tensor([[8.0, 9.0], [0.0, 1.0]]))
    torch.testing.assert_close(one.size_factor, torch.tensor([0.5, 0.1]))
    every = np.arange(9)
    sections = training_sides("section", spots, every, None).items.labels(np.array([1, 0]))
    torch.testing.assert_close(
        sections.counts[0], torch.tensor([[6.0, 7.0], [8.0, 9.0], [0.0, 0.0]])
    )
    torch.testing.assert_close(
        sections.size_factor, torch.tensor([[0.4, 0.5, 0.0], [0.1, 0.3, 0.7]])
    )
    bags = training_sides("bag", spots, every, None).items.labels(np.array([0]))
    torch.testing.assert_close(bags.counts, torch.tensor([[30.0, 35.0]]))
    torch.testing.assert_close(bags.size_factor, torch.tensor([2.0]))


def test_without_counts_in_the_table_no_label_has_any():
    spots = SpotItems(table())
    for kind in ("spot", "section", "bag"):
        labels = training_sides(kind, spots, np.arange(9), None).items.labels(np.array([0]))
        assert labels.counts is None
        assert labels.size_factor is None
