"""Attention over the tiles of a bag, and scores that add up to its value."""

import numpy as np
import torch

from histoscribe.models.base import create_model
from histoscribe.models.facts import Facts


def facts(n_genes=3):
    return Facts(
        feature_mean=np.zeros(4),
        feature_scale=np.ones(4),
        target_mean=np.arange(n_genes, dtype=np.float64),
        target_scale=np.array([0.5, 2.0, 0.0])[:n_genes],
    )


def made(name, n_genes=3, **settings):
    torch.manual_seed(0)
    return create_model(name, facts=facts(n_genes), preset="tiny", **settings).eval()


def bag(n_tiles, n_bags=1, seed=0):
    draws = torch.Generator().manual_seed(seed)
    feature = torch.randn(n_bags, n_tiles, 4, generator=draws)
    return {"context_feature": feature, "present": torch.ones(n_bags, n_tiles, dtype=torch.bool)}


def test_uniform_attention_gives_the_mean_of_instance_scores():
    model, inputs = made("additive-mil").double(), bag(7)
    inputs["context_feature"] = inputs["context_feature"].double()
    with torch.no_grad():
        model.attend[-1].weight.zero_()
        scores = model.evidence(**inputs)["instance_score"]
        bags = model(**inputs).expression
    torch.testing.assert_close(bags, scores.mean(dim=1), atol=1e-14, rtol=0)


def test_scores_stay_within_ten_spreads_of_the_training_mean():
    """A gene that is constant in training has no spread: it is scored in its own unit."""
    model, inputs = made("additive-mil"), bag(9)
    inputs["context_feature"] = 1e4 * inputs["context_feature"]
    with torch.no_grad():
        scores = model.evidence(**inputs)["instance_score"][0]
    mean, spread = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.5, 2.0, 1.0])
    limited = ((scores - mean) / spread).abs()
    torch.testing.assert_close(limited, torch.full_like(limited, 10.0))


def test_dropout_is_off_in_prediction():
    """The released code makes its dropout inside `forward`, so that it never stops."""
    for name in ("additive-mil", "abmil"):
        model, inputs = made(name, dropout=0.5), bag(9)
        assert torch.equal(model(**inputs).expression, model(**inputs).expression)
        model.train()
        assert not torch.equal(model(**inputs).expression, model(**inputs).expression)


def test_each_gene_has_its_own_attention_in_the_regression_and_none_in_abmil():
    assert made("additive-mil").evidence(**bag(5))["attention"].shape == (1, 5, 3)
    assert made("abmil").evidence(**bag(5))["attention"].shape == (1, 5, 1)


def test_the_scores_of_abmil_are_its_head_on_single_tiles():
    model, inputs = made("abmil"), bag(6)
    evidence = model.evidence(**inputs)
    total = (evidence["attention"] * evidence["instance_score"]).sum(dim=1)
    torch.testing.assert_close(total, model(**inputs).expression)


def test_attention_finds_the_one_tile_that_decides():
    """Bags of noise with one marked tile, whose mark is the label: attention must rest on it."""
    draws = torch.Generator().manual_seed(1)
    for name in ("abmil", "additive-mil"):
        model = made(name, n_genes=1, dropout=0.0).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(200):
            feature, label = marked_bags(32, draws)
            here = torch.ones(feature.shape[:2], dtype=torch.bool)
            loss = (model(feature, here).expression[:, 0] - label).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        feature, _ = marked_bags(32, draws)
        attention = model.eval().evidence(feature, here)["attention"][:, 0, 0]
        assert attention.mean() > 0.5, name


def marked_bags(n_bags, draws):
    """Bags of ten tiles; the first has the mark in feature 0, and the label in feature 1."""
    feature = torch.randn(n_bags, 10, 4, generator=draws)
    feature[..., 0] = 0.0
    feature[:, 0, 0] = 4.0
    return feature, feature[:, 0, 1].clone()
