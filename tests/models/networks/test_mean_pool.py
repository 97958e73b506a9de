"""Mean-pool runs a model of spots over a bag in chunks, with the gradient of the whole bag."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data.images import HeldTiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.models.base import Facts, create_model, make_config, model_class
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from histoscribe.types import BagImages
from tests.contracts.tables import planted_table, queries_of

TILE_PX = 32


def made(of, chunk, n_genes=3):
    torch.manual_seed(0)
    inner = {"preset": "tiny"}
    widths = {"feature_width": 4} if of == "mlp" else {"tile_px": TILE_PX}
    model = create_model("mean-pool", n_genes, of=of, inner=inner, chunk=chunk, **widths)
    if of == "stnet":  # its head starts at zero, which would stop all gradients
        torch.nn.init.normal_(model.net.head.linear.weight)
    for layer in model.modules():  # draws would differ by chunk
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    return model


def bags(of):
    """Two bags of 7 and 4 tiles."""
    draws = torch.Generator().manual_seed(1)
    present = torch.arange(7)[None] < torch.tensor([7, 4])[:, None]
    if of == "mlp":
        return {"context_feature": torch.randn(2, 7, 4, generator=draws), "present": present}
    shape = (2, 7, 3, TILE_PX, TILE_PX)
    pixels = torch.randint(0, 256, shape, generator=draws).to(torch.uint8)
    return {"context_image": pixels, "present": present}


def gradients(model, inputs):
    model.zero_grad()
    model(**inputs).expression.square().sum().backward()
    return {name: of.grad.clone() for name, of in model.named_parameters()}


@pytest.mark.parametrize("of", ["mlp", "stnet", "tcgn"])
def test_a_bag_is_the_mean_of_its_tiles(of):
    model, inputs = made(of, chunk=3).eval(), bags(of)
    values = next(value for name, value in inputs.items() if name != "present")
    with torch.no_grad():
        bag = model(**inputs).expression
        for row, size in enumerate((7, 4)):
            each = model.net(values[row, :size]).expression
            torch.testing.assert_close(bag[row], each.mean(dim=0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["nb", "zinb"])
def test_the_counts_of_a_bag_are_the_mean_of_those_of_its_tiles(family):
    """Of outputs before the softplus, the mean is far lower where the tiles of a bag differ."""
    torch.manual_seed(0)
    facts = replace(Facts.plain(3, 4), target_mean=np.array([0.1, 1.0, 10.0]), counts=family)
    model = create_model("mean-pool", facts=facts, inner={"preset": "tiny"}, chunk=3).eval()
    torch.nn.init.normal_(model.net.head.weight)
    inputs = bags("mlp")
    with torch.no_grad():
        bag = model(**inputs)
        for row, size in enumerate((7, 4)):
            tiles = inputs["context_feature"][row, :size, None]
            alone = model(context_feature=tiles, present=torch.ones(size, 1, dtype=torch.bool))
            torch.testing.assert_close(bag.expression[row], alone.expression.mean(dim=0))
            torch.testing.assert_close(bag.counts.rate[row], alone.counts.rate.mean(dim=0))
    torch.testing.assert_close(bag.expression, bag.counts.mean)


@pytest.mark.parametrize("of", ["mlp", "stnet", "tcgn"])
def test_the_gradient_of_chunks_is_that_of_the_whole_bag(of):
    whole = gradients(made(of, chunk=1000).train(), bags(of))
    for chunk in (3,) if of == "tcgn" else (1, 3):  # tcgn takes seconds for each
        parts = gradients(made(of, chunk).train(), bags(of))
        assert parts.keys() == whole.keys()
        for name, gradient in parts.items():
            torch.testing.assert_close(gradient, whole[name], atol=1e-5, rtol=1e-5, msg=name)
            assert gradient.abs().sum() > 0, name


def test_the_whole_bag_without_checkpoints_has_the_same_gradient():
    model, inputs = made("mlp", chunk=3).train(), bags("mlp")
    parts = gradients(model, inputs)
    model.zero_grad()
    tiles = inputs["context_feature"].flatten(0, 1)
    each = model.net(tiles).expression.unflatten(0, (2, 7))
    weight = inputs["present"] / inputs["present"].sum(dim=1, keepdim=True)
    (each * weight[..., None]).sum(dim=1).square().sum().backward()
    for name, of in model.named_parameters():
        torch.testing.assert_close(of.grad, parts[name], atol=1e-6, rtol=1e-5)


def test_no_more_than_a_chunk_of_tiles_is_read_at_a_time(monkeypatch):
    inputs = bags("stnet")
    pixels = HeldTiles(inputs["context_image"].flatten(0, 1))
    sizes = []

    class Counted(HeldTiles):
        def read(self, rows):
            sizes.append(len(rows))
            return super().read(rows)

    monkeypatch.setattr("histoscribe.models.networks.mean_pool._MOMENT_TILES", 2)
    counted = Counted(inputs["context_image"].flatten(0, 1))
    lazy = BagImages(counted, (np.arange(7), np.arange(7, 11)))
    for images in (lazy, BagImages(pixels, lazy.runs)):
        model = made("stnet", chunk=3)
        given = {"context_image": images, "present": inputs["present"]}
        known = gradients(model.train(), given)
    assert max(sizes) == 3
    assert len(sizes) == 1 + 2 * 4, "moments, four chunks, and each again for its gradient"
    model = made("stnet", chunk=1000).train()
    for name, gradient in gradients(model, inputs).items():
        torch.testing.assert_close(gradient, known[name], atol=1e-4, rtol=1e-4)


def test_normalisation_uses_moments_that_training_renews():
    """Moments of a chunk would make a tile depend on its chunk."""
    model, inputs = made("stnet", chunk=3).train(), bags("stnet")
    before = {name: of.clone() for name, of in model.named_buffers() if "running" in name}
    model(**inputs)
    after = dict(model.named_buffers())
    assert all(not torch.equal(of, after[name]) for name, of in before.items())
    with torch.no_grad():
        model.eval()(**inputs)
    assert all(torch.equal(of, dict(model.named_buffers())[name]) for name, of in after.items())


def test_it_reads_for_every_tile_what_the_model_of_spots_reads():
    cls = model_class("mean-pool")
    for of, field in (("mlp", "context_feature"), ("stnet", "context_image")):
        config = make_config("mean-pool", {"of": of, "inner": {"preset": "tiny"}})
        assert cls.inputs(config) == (field, "present")
    published = make_config("mean-pool", {"of": "stnet"})
    assert cls.initial_encoder(published) == "torchvision:densenet121"
    assert cls.initial_encoder(config) is None
    assert cls.tile_problem(config, 2) is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"of": "ridge"}, "must be a network whose item is a spot"),
        ({"of": "abmil"}, "must be a network whose item is a spot"),
        ({"of": "egn"}, "which tiles of a bag lack"),
        ({"of": "nothing"}, "no model named"),
        ({"of": "mlp", "inner": {"depth": 3}}, "no setting depth"),
    ],
)
def test_a_model_that_cannot_be_pooled_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_config("mean-pool", settings)


def test_a_model_of_tiles_trains_and_predicts_bags_through_a_run(tmp_path):
    settings = RunSettings(
        cohort="none",
        models=("mean-stnet",),
        settings={"mean-stnet": {"model": "mean-pool", "of": "stnet", "inner": {"preset": "tiny"}}},
        train=TrainSettings(epochs=2, batch_size=2),
        run=MachineSettings(device="cpu"),
    )
    table = planted_table(n_spots=24)
    row = settings.row("mean-stnet")
    assert row.sees_tiles
    fitted = fit(row, table, settings, tmp_path)
    parts = [queries_of(table, slice(start, start + 12)) for start in (0, 12)]
    queries = SpotQueries.concatenate(parts)
    bags = fitted.predict_bags(queries)
    assert bags.patients == ("A", "B", "C", "D")
    tiles = fitted.predict(queries).values
    np.testing.assert_allclose(bags.values, tiles.reshape(4, 6, -1).mean(axis=1), atol=1e-5)
    assert np.ptp(tiles, axis=0).max() > 0
