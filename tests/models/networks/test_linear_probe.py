"""The linear probe: a line, and a loss that is its network's."""

import numpy as np
import torch

from histoscribe.models.base import Facts, create_model
from histoscribe.types import Labels, Output
from tests.models.networks.networks import recipe_of

N_FEATURES, N_GENES = 6, 3


def probe(**settings):
    facts = Facts(
        feature_mean=np.arange(N_FEATURES) - 2.0,
        feature_scale=np.linspace(0.5, 2.0, N_FEATURES),
        target_mean=np.array([0.5, 1.0, 4.0]),
    )
    return create_model("linear-probe", facts=facts, **settings)


def features(n, seed=0):
    return torch.randn(n, N_FEATURES, generator=torch.Generator().manual_seed(seed))


def predict(net, feature):
    with torch.no_grad():
        return net(feature=feature).expression


def test_starts_near_the_training_mean():
    expected = torch.tensor([0.5, 1.0, 4.0]).expand(4, -1)
    torch.testing.assert_close(predict(probe(), features(4)), expected, rtol=0, atol=0.5)


def test_is_linear_in_the_standardised_feature():
    net = probe()
    with torch.no_grad():
        net.head.linear.weight.normal_(generator=torch.Generator().manual_seed(1))
    feature = features(4)
    standardised = (feature.double() - net.feature_mean) / net.feature_scale
    expected = standardised @ net.head.linear.weight.double().T + net.head.linear.bias
    torch.testing.assert_close(predict(net, feature).double(), expected, rtol=1e-5, atol=1e-5)


def test_loss_and_rates_are_those_of_the_guided_network():
    facts = Facts(
        feature_mean=np.zeros(N_FEATURES),
        feature_scale=np.ones(N_FEATURES),
        target_mean=np.zeros(N_GENES),
        tile_px=32,
    )
    predicted, target = features(8)[:, :N_GENES], features(8, seed=1)[:, :N_GENES]
    for preset in ("default", "small", "tiny"):
        net = probe(preset=preset)
        guided = create_model("egn", facts=facts, preset="tiny")
        output, labels = Output(predicted), Labels(target)
        assert torch.equal(net.loss(output, labels), guided.loss(output, labels))
        own = create_model("egn", facts=facts, preset="tiny").Config
        sized = own() if preset == "default" else getattr(own, preset)()
        recipe = recipe_of(net)
        assert (recipe.learning_rate, recipe.weight_decay) == (
            sized.learning_rate,
            sized.weight_decay,
        )
        assert recipe.schedule == recipe_of(guided).schedule


def test_finds_a_planted_line():
    net = probe(preset="tiny")
    slope = torch.randn(N_FEATURES, N_GENES, generator=torch.Generator().manual_seed(2))

    def planted(n, seed):
        standardised = features(n, seed)
        feature = standardised * net.feature_scale + net.feature_mean
        return feature, standardised @ slope

    feature, target = planted(256, seed=3)
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        net.loss(net(feature=feature), Labels(target)).backward()
        optimiser.step()
    feature, target = planted(64, seed=4)
    assert (predict(net, feature) - target).square().mean() < 0.01 * target.var()
