"""Batches of an epoch: every row once, tiles turned with nothing else moved; rates by step."""

import dataclasses

import numpy as np
import pytest
import torch

from histoscribe.data.images import HeldTiles
from histoscribe.data.items.sections import SectionItems
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import Facts, create_model
from histoscribe.models.recipe import Recipe
from histoscribe.train.batches import Batches
from histoscribe.train.group import TrainingGroup
from histoscribe.train.optimiser import make_optimiser, schedule
from histoscribe.train.settings import TrainSettings
from histoscribe.train.turns import RightAngles, turned_places, turned_tiles
from histoscribe.types import SpotKeys, SpotTable


def table(feature, image=None):
    """Spots of one section whose target is twice the feature."""
    return SpotTable(
        feature=feature,
        target=2 * feature,
        log_total=np.zeros(len(feature)),
        keys=SpotKeys.of_section("S", "P", [str(row) for row in range(len(feature))]),
        inner=(),
        encoder="made",
        image=image,
    )


def batches(epoch=0, **changes):
    feature = np.arange(10, dtype=np.float32)[:, None]
    image = HeldTiles(torch.arange(10 * 3 * 4 * 4).reshape(10, 3, 4, 4).to(torch.uint8))
    known = {
        "items": SpotItems(table(feature, image)),
        "names": ("feature", "image"),
        "rows": np.arange(1, 8),
        "batch_size": 3,
        "batch_spots": 100,
        "seed": 0,
        "turns": None,
        "epoch": lambda: epoch,
    }
    return Batches(**{**known, **changes})


def single(steps):
    """Batches of steps that have one each."""
    return [batch for step in steps for (batch,) in [step.batches]]


def rows_of(step):
    """Spots of each batch of a step, by their feature."""
    return [inputs["feature"][:, 0].tolist() for inputs, _ in step.batches]


@pytest.mark.parametrize("n_processes", [1, 2, 3])
def test_processes_take_turns_in_the_batches_that_one_process_accumulates(n_processes):
    known = {"names": ("feature",), "batch_size": 1}
    whole = list(batches(accumulate=2 * n_processes, **known))
    groups = [TrainingGroup(process, n_processes) for process in range(n_processes)]
    dealt = [list(batches(accumulate=2, group=group, **known)) for group in groups]
    assert {len(steps) for steps in dealt} == {len(whole)}
    assert batches(accumulate=2 * n_processes, **known).n_steps(3) == 3 * [len(whole)]
    for step, parts in zip(whole, zip(*dealt, strict=True), strict=True):
        numbered = {
            number: rows
            for part in parts
            for number, rows in zip(part.numbers, rows_of(part), strict=True)
        }
        assert sorted(numbered) == list(step.numbers)
        assert [numbered[number] for number in step.numbers] == rows_of(step)
    assert sorted(row for step in whole for rows in rows_of(step) for row in rows) == list(
        range(1, 8)
    )


def test_every_row_comes_once_with_its_own_target_and_tile():
    seen = single(batches())
    assert [len(labels.target) for _, labels in seen] == [3, 3, 1]
    rows = torch.cat([inputs["feature"][:, 0] for inputs, _ in seen])
    assert sorted(rows.tolist()) == list(range(1, 8))
    for inputs, labels in seen:
        assert torch.equal(labels.target, 2 * inputs["feature"])
        first = inputs["image"][:, 0, 0, 0].float()
        assert torch.equal(first, inputs["feature"][:, 0] * 48 % 256)


def test_only_named_fields_are_built():
    without = SpotItems(table(np.zeros((10, 1), np.float32)))
    (inputs, _), *_ = single(batches(names=("feature",), items=without))
    assert set(inputs) == {"feature"}


def test_each_epoch_has_an_order_of_its_own_and_the_same_one_again():
    def order(epoch):
        return torch.cat([labels.target[:, 0] for _, labels in single(batches(epoch))]).tolist()

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_turned_tiles_are_those_of_their_own_spots():
    plain = {
        float(feature): image
        for inputs, _ in single(batches())
        for feature, image in zip(inputs["feature"], inputs["image"], strict=True)
    }
    moved = 0
    for inputs, labels in single(batches(turns=RightAngles())):
        for place in range(len(labels.target)):
            of = plain[float(inputs["feature"][place])]
            ways = [turned_tiles(of[None], np.array([number]))[0] for number in range(8)]
            assert any(torch.equal(inputs["image"][place], way) for way in ways)
            moved += not torch.equal(inputs["image"][place], of)
    assert moved > 2


def sections(*n_spots):
    """Sections of these numbers of spots."""
    names = np.repeat([f"S{number}" for number in range(len(n_spots))], n_spots)
    of = table(np.arange(len(names), dtype=np.float32)[:, None])
    keys = SpotKeys.of_names(names, len(names) * ["P"], [str(row) for row in range(len(names))])
    ends = np.cumsum(n_spots)[:-1]
    runs = tuple(np.split(np.arange(len(names)), ends))
    xy_um = np.random.default_rng(0).normal(size=(len(names), 2))
    return SectionItems(dataclasses.replace(of, keys=keys, xy_um=xy_um), runs)


def batches_of_sections(epoch, *n_spots, **changes):
    every = {"names": ("context_feature",), "rows": np.arange(len(n_spots)), "batch_size": 4}
    return batches(epoch, items=sections(*n_spots), **{**every, **changes})


def test_places_of_a_section_are_turned_as_one_and_features_stay_as_they_are():
    def found(**changes):
        names = ("context_feature", "context_um")
        return single(batches_of_sections(0, *range(3, 11), names=names, **changes))

    moved = 0
    for (plain, _), (given, _) in zip(found(), found(turns=RightAngles()), strict=True):
        assert torch.equal(plain["context_feature"], given["context_feature"])
        for before, after in zip(plain["context_um"], given["context_um"], strict=True):
            ways = [turned_places(before[None], np.array([number]))[0] for number in range(8)]
            assert sum(torch.equal(after, way) for way in ways) == 1
            moved += not torch.equal(before, after)
    assert moved > 2


def shapes(epoch, *n_spots, **changes):
    """Number of sections and of spots, padding included, of each batch of an epoch."""
    found = single(batches_of_sections(epoch, *n_spots, **changes))
    return [tuple(inputs["context_feature"].shape[:2]) for inputs, _ in found]


def test_batches_of_sections_are_filled_up_to_a_number_of_spots():
    n_spots = (5, 3, 30, 4, 6, 2, 5)
    n_batches = batches_of_sections(0, *n_spots, batch_spots=20).n_batches(5)
    for epoch in range(5):
        found = shapes(epoch, *n_spots, batch_spots=20)
        assert sum(n_items for n_items, _ in found) == len(n_spots)
        assert (1, 30) in found, "a section with more spots is a batch by itself"
        assert all(n_items * longest <= 20 for n_items, longest in found if longest != 30)
        assert found == shapes(epoch, *n_spots, batch_spots=20)
        assert len(found) == n_batches[epoch]
    assert len(set(n_batches)) > 1


def test_a_number_of_spots_that_is_not_reached_changes_no_batch():
    for epoch in range(3):
        assert [items for items, _ in shapes(epoch, *range(1, 11), batch_spots=40)] == [4, 4, 2]
        assert shapes(epoch, 7, 7, 7, 7, 7, batch_spots=14) == [(2, 7), (2, 7), (1, 7)]
    assert batches_of_sections(0, *range(1, 11), batch_spots=40).n_batches(3) == [3, 3, 3]


def test_a_single_cosine_falls_to_nothing():
    rate = schedule(Recipe(schedule="cosine"), 0, [5, 5])
    assert [rate(step) for step in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    assert schedule(Recipe(schedule="constant"), 0, [5, 5]) is None


def test_a_warm_up_rises_in_equal_steps_over_its_epochs_then_falls_to_nothing():
    rate = schedule(Recipe(schedule="warmup-cosine", warmup_epochs=2), 0, [4] * 5)
    assert [rate(step) for step in range(8)] == pytest.approx(np.arange(1, 9) / 8)
    assert [rate(8), rate(14), rate(20)] == pytest.approx([1, 0.5, 0])


def test_a_run_gives_a_warm_up_to_models_without_a_schedule():
    assert schedule(Recipe(), 0, [4] * 5) is None
    assert schedule(Recipe(schedule="constant"), 2, [4] * 5) is None
    given, by_recipe = schedule(Recipe(), 2, [4] * 5), Recipe(schedule="warmup-cosine")
    every = [given(step) for step in range(20)]
    assert every == [schedule(by_recipe, 2, [4] * 5)(step) for step in range(20)]
    assert [every[0], every[7]] == [1 / 8, 1]


def test_warm_restarts_are_those_of_the_released_code_of_egn():
    # cycles of 300 steps, 100 of them rising
    rate = schedule(Recipe(schedule="warm-restarts"), 0, [600] * 15)
    assert [rate(step) for step in (0, 50, 100)] == pytest.approx([0.2, 0.6, 1])
    assert [rate(200), rate(299)] == pytest.approx([0.6, 0.2], abs=1e-4)
    assert [rate(300 + step) for step in range(300)] == [rate(step) for step in range(300)]


def test_short_epochs_rise_once_then_fall_to_a_fifth_twice_each():
    rate = schedule(Recipe(schedule="warm-restarts"), 0, [40] * 25)
    assert [rate(step) for step in (0, 49, 99)] == pytest.approx([0.01, 0.5, 1])
    assert [rate(100), rate(110), rate(120)] == pytest.approx([1, 0.6, 1])
    assert min(rate(step) for step in range(100, 1000)) >= 0.2


def made(name):
    facts = Facts(
        feature_mean=np.zeros(4), feature_scale=np.ones(4), target_mean=np.zeros(2), tile_px=32
    )
    return create_model(name, facts=facts, preset="tiny", **OWN.get(name, {}))


OWN = {"stnet": {"learning_rate": 1e-6, "weights": "random"}}


def test_the_recipe_goes_before_the_settings_of_the_run():
    settings = TrainSettings(learning_rate=0.5, weight_decay=0.25)
    adam = make_optimiser(made("mlp"), settings)
    assert isinstance(adam, torch.optim.AdamW)
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (0.5, 0.25)
    stnet = made("stnet")
    sgd = make_optimiser(stnet, settings)
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.defaults["lr"] == stnet.recipe(stnet.config).learning_rate
    assert sgd.defaults["momentum"] == 0.9


def test_adam_has_no_weight_decay(monkeypatch):
    model, settings = made("mlp"), TrainSettings(learning_rate=0.5, weight_decay=0.25)
    monkeypatch.setattr(model, "recipe", lambda _: Recipe(optimiser="adam", learning_rate=1e-5))
    adam = make_optimiser(model, settings)
    assert type(adam) is torch.optim.Adam
    assert (adam.defaults["lr"], adam.defaults["weight_decay"]) == (1e-5, 0)
    assert adam.defaults["betas"] == (0.9, 0.999)
    with pytest.raises(ValueError, match=r"weight_decay = 0\.1 with the optimiser adam"):
        Recipe(optimiser="adam", weight_decay=0.1)
