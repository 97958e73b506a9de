"""Facts, inputs and questions for tests of networks that see tiles."""

import numpy as np
import torch

from histoscribe.models.base import Facts, create_model
from histoscribe.types import Labels

N_FEATURES, N_GENES, N_EXEMPLARS = 12, 5, 9


def facts(tile_px=32):
    """Features, one of them constant, and tiles of unequal channels."""
    return Facts(
        feature_mean=np.linspace(-1, 1, N_FEATURES),
        feature_scale=np.r_[np.linspace(0.5, 2, N_FEATURES - 1), np.inf],
        target_mean=np.linspace(0, 4, N_GENES),
        tile_px=tile_px,
        image_mean=(200.0, 150.0, 180.0),
        image_scale=(30.0, 40.0, 20.0),
    )


def network(name, tile_px=32, seed=0, **settings):
    """A tiny network, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = create_model(name, facts=facts(tile_px), **{"preset": "tiny", **settings})
    return made.eval()


def inputs(model, n=6, tile_px=32, seed=0):
    """Random inputs of the kinds that the model sees."""
    draw = torch.Generator().manual_seed(seed)
    known = {
        "image": torch.randint(0, 256, (n, 3, tile_px, tile_px), generator=draw).to(torch.uint8),
        "exemplar_feature": torch.randn(n, N_EXEMPLARS, N_FEATURES, generator=draw),
        "exemplar_target": 4 * torch.rand(n, N_EXEMPLARS, N_GENES, generator=draw),
    }
    return {name: known[name] for name in model.inputs(model.config)}


def recipe_of(model):
    """The model's own recipe."""
    return model.recipe(model.config)


def predict(model, seen):
    """Expression, without gradients."""
    with torch.no_grad():
        return model(**seen).expression


def dead_parameters(model, seen):
    """Names of parameters that the loss does not reach."""
    model.train()
    model.zero_grad()
    output = model(**seen)
    model.loss(output, Labels(torch.zeros_like(output.expression))).backward()
    return [
        name
        for name, value in model.named_parameters()
        if value.grad is None or not value.grad.abs().sum() > 0
    ]


def errors_before_and_after(model, seen, target, steps):
    """Mean squared error in evaluation before and after training by the model's own recipe."""
    recipe = recipe_of(model)
    made = (
        torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=0.9)
        if recipe.optimiser == "sgd"
        else torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate)
    )
    before = (predict(model.eval(), seen) - target).square().mean().item()
    model.train()
    for _ in range(steps):
        made.zero_grad()
        model.loss(model(**seen), Labels(target)).backward()
        made.step()
    return before, (predict(model.eval(), seen) - target).square().mean().item()
