"""Batches of an epoch: every row once, tiles turned with nothing else moved; rates by step."""

import numpy as np
import pytest
import torch

from histoscribe.data.images import HeldTiles
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import Facts, create_model
from histoscribe.models.recipe import Recipe
from histoscribe.train.batches import Batches, turned
from histoscribe.train.optimiser import make_optimiser, schedule
from histoscribe.train.settings import TrainSettings
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
        "seed": 0,
        "turned": False,
        "epoch": lambda: epoch,
    }
    return Batches(**{**known, **changes})


def test_every_row_comes_once_with_its_own_target_and_tile():
    seen = list(batches())
    assert [len(labels.target) for _, labels in seen] == [3, 3, 1]
    rows = torch.cat([inputs["feature"][:, 0] for inputs, _ in seen])
    assert sorted(rows.tolist()) == list(range(1, 8))
    for inputs, labels in seen:
        assert torch.equal(labels.target, 2 * inputs["feature"])
        first = inputs["image"][:, 0, 0, 0].float()
        assert torch.equal(first, inputs["feature"][:, 0] * 48 % 256)


def test_only_named_fields_are_built():
    without = SpotItems(table(np.zeros((10, 1), np.float32)))
    (inputs, _), *_ = batches(names=("feature",), items=without)
    assert set(inputs) == {"feature"}


def test_each_epoch_has_an_order_of_its_own_and_the_same_one_again():
    def order(epoch):
        return torch.cat([labels.target[:, 0] for _, labels in batches(epoch)]).tolist()

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_the_eight_symmetries_are_all_different_and_keep_every_pixel():
    tile = torch.arange(3 * 5 * 5).reshape(1, 3, 5, 5).to(torch.uint8)
    ways = [turned(tile, np.array([number])) for number in range(8)]
    assert len({way.numpy().tobytes() for way in ways}) == 8
    assert torch.equal(ways[0], tile)
    for way in ways:
        assert torch.equal(way.flatten().sort().values, tile.flatten().sort().values)


def test_turned_tiles_are_those_of_their_own_spots():
    plain = {
        float(feature): image
        for inputs, _ in batches()
        for feature, image in zip(inputs["feature"], inputs["image"], strict=True)
    }
    moved = 0
    for inputs, labels in batches(turned=True):
        for place in range(len(labels.target)):
            of = plain[float(inputs["feature"][place])]
            ways = [turned(of[None], np.array([number]))[0] for number in range(8)]
            assert any(torch.equal(inputs["image"][place], way) for way in ways)
            moved += not torch.equal(inputs["image"][place], of)
    assert moved > 2


def test_a_single_cosine_falls_to_nothing():
    rate = schedule(Recipe(schedule="cosine"), 0, 10, 5)
    assert [rate(step) for step in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    assert schedule(Recipe(schedule="constant"), 0, 10, 5) is None


def test_a_warm_up_rises_in_equal_steps_over_its_epochs_then_falls_to_nothing():
    rate = schedule(Recipe(schedule="warmup-cosine", warmup_epochs=2), 0, 20, 4)
    assert [rate(step) for step in range(8)] == pytest.approx(np.arange(1, 9) / 8)
    assert [rate(8), rate(14), rate(20)] == pytest.approx([1, 0.5, 0])


def test_a_run_gives_a_warm_up_to_models_without_a_schedule():
    assert schedule(Recipe(), 0, 20, 4) is None
    assert schedule(Recipe(schedule="constant"), 2, 20, 4) is None
    given, by_recipe = schedule(Recipe(), 2, 20, 4), Recipe(schedule="warmup-cosine")
    every = [given(step) for step in range(20)]
    assert every == [schedule(by_recipe, 2, 20, 4)(step) for step in range(20)]
    assert [every[0], every[7]] == [1 / 8, 1]


def test_warm_restarts_are_those_of_the_released_code_of_egn():
    # cycles of 300 steps, 100 of them rising
    rate = schedule(Recipe(schedule="warm-restarts"), 0, 9000, 600)
    assert [rate(step) for step in (0, 50, 100)] == pytest.approx([0.2, 0.6, 1])
    assert [rate(200), rate(299)] == pytest.approx([0.6, 0.2], abs=1e-4)
    assert [rate(300 + step) for step in range(300)] == [rate(step) for step in range(300)]


def test_short_epochs_rise_once_then_fall_to_a_fifth_twice_each():
    rate = schedule(Recipe(schedule="warm-restarts"), 0, 1000, 40)
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
    assert sgd.defaults["lr"] == stnet.recipe().learning_rate
    assert sgd.defaults["momentum"] == 0.9
