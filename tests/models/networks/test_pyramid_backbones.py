"""What CycleMLP and MPViT promise alike: maps of four scales, any tile, one spot at a time."""

import numpy as np
import pytest
import torch

from histoscribe.models.base import Facts, create_model, make_config, model_class
from histoscribe.types import Labels
from tests.models.networks.networks import recipe_of

FOUR_STAGES = {
    "cyclemlp": {"widths": (8, 16, 24, 32), "depths": (1, 1, 1, 1)},
    "mpvit": {"widths": (8, 16, 24, 32), "depths": (1, 1, 1, 1), "paths": (2, 3, 3, 3)},
}


@pytest.fixture(params=sorted(FOUR_STAGES))
def name(request):
    return request.param


def made(name, n_genes=3, **settings):
    facts = Facts(
        feature_mean=np.zeros(1, np.float32),
        feature_scale=np.ones(1, np.float32),
        target_mean=np.linspace(1, 2, n_genes, dtype=np.float32),
        image_mean=(150.0, 120.0, 160.0),
        image_scale=(50.0, 50.0, 40.0),
    )
    torch.manual_seed(0)
    return create_model(name, facts=facts, **settings)


def tiles(n_tiles, side_px):
    generator = torch.Generator().manual_seed(side_px)
    return torch.randint(
        0, 256, (n_tiles, 3, side_px, side_px), dtype=torch.uint8, generator=generator
    )


def test_maps_halve_from_a_quarter_of_the_tile(name):
    model, shapes = made(name, **FOUR_STAGES[name]).eval(), []
    for stage in model.stages:
        stage.register_forward_hook(lambda _, __, seen: shapes.append(set(seen.shape[1:])))
    represented = model.represent(tiles(2, 64))
    last = {"cyclemlp": (8, 16, 24, 32), "mpvit": (16, 24, 32, 32)}[name]  # mpvit: the next width
    assert shapes == [{side, width} for side, width in zip((16, 8, 4, 2), last, strict=True)]
    assert represented.shape == (2, 32)


@pytest.mark.parametrize("side_px", [32, 33, 50, 64])
def test_any_tile_from_the_total_stride_on_is_read(name, side_px):
    model = made(name, **FOUR_STAGES[name])
    assert model.tile_problem(model.config, side_px) is None
    assert model(tiles(2, side_px)).expression.shape == (2, 3)


def test_a_tile_below_the_total_stride_is_a_problem(name):
    config = make_config(name, {})
    problem = model_class(name).tile_problem(config, 31)
    assert "31 px" in problem.found
    assert "at least 32 px" in problem.expected
    assert f"settings.{name}" in problem.remedy


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": (8, 16)},
        {"widths": (), "depths": ()},
        {"depths": (1, 0, 1, 1)},
        {"widths": 4 * (10,)},
    ],
)
def test_settings_that_describe_no_stages_are_refused(name, settings):
    with pytest.raises(ValueError, match=f"{name} needs"):
        make_config(name, {**FOUR_STAGES[name], **settings})


def test_the_published_size_is_trained_as_the_egn_paper_says(name):
    recipe = recipe_of(made(name, **FOUR_STAGES[name]))
    assert (recipe.optimiser, recipe.schedule) == ("adamw", "cosine")
    assert (recipe.learning_rate, recipe.weight_decay) == (5e-4, 1e-4)


def test_lists_of_a_settings_file_are_taken(name):
    lists = {key: list(numbers) for key, numbers in FOUR_STAGES[name].items()}
    assert make_config(name, lists) == make_config(name, FOUR_STAGES[name])


def test_a_spot_does_not_know_its_batch_mates(name):
    model = made(name, preset="tiny").eval()
    batch = tiles(5, 32)
    alone = torch.cat([model(tile[None]).expression for tile in batch])
    torch.testing.assert_close(model(batch).expression, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_tiles", [1, 2])
def test_a_batch_of_one_spot_trains_on_a_map_of_one_position(name, n_tiles):
    model = made(name, **FOUR_STAGES[name]).train()
    model(tiles(n_tiles, 32)).expression.square().sum().backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None, parameter
        assert torch.isfinite(value.grad).all(), parameter


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_gradients_reach_every_layer(name, size):
    model = made(name, preset=size).train()
    model(tiles(4, 32)).expression.square().sum().backward()
    for parameter, value in model.named_parameters():
        assert value.grad.abs().sum() > 0, parameter


def test_floats_and_bytes_of_one_tile_are_one_input(name):
    model = made(name, preset="tiny").eval()
    image = tiles(2, 32)
    assert torch.equal(model(image).expression, model(image.float()).expression)


def test_a_tile_has_a_gradient(name):
    model = made(name, preset="tiny").eval()
    image = tiles(2, 32).float().requires_grad_()
    model(image).expression.sum().backward()
    assert (image.grad.abs().amax(dim=1) > 0).float().mean() > 0.9


def test_an_untrained_network_predicts_about_the_mean(name):
    model = made(name, preset="small").eval()
    off = model(tiles(4, 64)).expression - torch.linspace(1, 2, 3)
    assert off.abs().max() < 0.5


def test_half_precision_changes_little(name):
    model = made(name, preset="tiny").train()
    image = tiles(8, 32)
    whole = model(image).expression
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.represent(image).dtype == torch.float32
        half = model(image).expression
        half.sum().backward()
    assert (half - whole).abs().max() < 0.05
    assert all(torch.isfinite(value.grad).all() for value in model.parameters())


def striped(n_tiles, generator):
    """Stripes of 8 px along one axis or the other, anywhere: 0 or 1; alike in mean and colour."""
    phase = torch.randint(0, 8, (n_tiles, 1), generator=generator)
    across = torch.randint(0, 2, (n_tiles,), generator=generator)
    wave = (torch.arange(32) + phase) % 8 < 4
    rows = (wave[:, :, None] * 200.0).expand(-1, -1, 32)
    image = torch.where(across[:, None, None] == 1, rows.transpose(1, 2), rows)
    return image[:, None].expand(-1, 3, -1, -1).to(torch.uint8), across.float()[:, None]


def trained(name):
    model, generator = made(name, n_genes=1, preset="tiny").train(), torch.Generator()
    generator.manual_seed(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        image, across = striped(32, generator)
        optimiser.zero_grad()
        model.loss(model(image), Labels(across)).backward()
        optimiser.step()
    return model.eval(), generator


def test_the_direction_of_stripes_is_learned_and_the_same_seed_gives_the_same_bits(name):
    model, generator = trained(name)
    image, across = striped(64, generator)
    predicted = model(image).expression
    assert ((predicted > 0.5) == (across > 0.5)).float().mean() > 0.95
    assert torch.equal(predicted, trained(name)[0](image).expression)
