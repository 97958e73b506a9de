"""HE2RNA averages the highest tiles of each gene; nothing of the released code's padding."""

import numpy as np
import pytest
import torch

from histoscribe.data.items.limited_bags import super_tiles
from histoscribe.models.base import create_model
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from tests.contracts.tables import planted_table, queries_of

TOP = (1, 2, 5)


def made(n_genes=3, **settings):
    """A small network on features of width 4."""
    torch.manual_seed(0)
    settings = {"hidden": (8,), "dropout": 0.0, "top": TOP} | settings
    return create_model("he2rna", n_genes=n_genes, feature_width=4, **settings).eval()


def bag(n_tiles, n_bags=1, seed=0):
    """Features of bags without padding."""
    draws = torch.Generator().manual_seed(seed)
    feature = torch.randn(n_bags, n_tiles, 4, generator=draws)
    return {"context_feature": feature, "present": torch.ones(n_bags, n_tiles, dtype=torch.bool)}


def scores_of(model, inputs):
    return model.evidence(**inputs)["instance_score"].detach()


def test_a_bag_is_the_mean_over_all_numbers_of_the_mean_of_its_highest_tiles():
    model, inputs = made(), bag(9)
    falling = scores_of(model, inputs)[0].sort(dim=0, descending=True).values
    expected = torch.stack([falling[:k].mean(dim=0) for k in TOP]).mean(dim=0)
    torch.testing.assert_close(model(**inputs).expression[0], expected)


def test_only_numbers_that_the_bag_can_serve_count():
    model, inputs = made(), bag(4)
    falling = scores_of(model, inputs)[0].sort(dim=0, descending=True).values
    expected = torch.stack([falling[:k].mean(dim=0) for k in (1, 2)]).mean(dim=0)
    torch.testing.assert_close(model(**inputs).expression[0], expected)


def test_more_than_there_are_gives_the_mean_of_all_tiles():
    model, inputs = made(top=(10**6,)), bag(7)
    expected = scores_of(model, inputs)[0].mean(dim=0)
    torch.testing.assert_close(model(**inputs).expression[0], expected)
    torch.testing.assert_close(model.train()(**inputs).expression[0], expected)


def test_a_bag_with_fewer_tiles_than_any_number_is_the_mean_of_its_tiles():
    model, inputs = made(top=(5, 10)), bag(3)
    expected = scores_of(model, inputs)[0].mean(dim=0)
    torch.testing.assert_close(model(**inputs).expression[0], expected)


def test_training_draws_each_number_that_fits_and_no_other():
    model, inputs = made(), bag(4, n_bags=64)
    inputs["context_feature"] = inputs["context_feature"][:1].expand(64, -1, -1)
    falling = scores_of(model, inputs)[0].sort(dim=0, descending=True).values
    by_k = torch.stack([falling[:k].mean(dim=0) for k in (1, 2)])
    torch.manual_seed(1)
    drawn = model.train()(**inputs).expression.detach()
    k = (drawn[:, None] - by_k[None]).abs().sum(dim=2).argmin(dim=1)
    torch.testing.assert_close(drawn, by_k[k])
    assert set(k.tolist()) == {0, 1}


def test_padding_never_stands_before_a_tile_with_a_negative_score():
    """The released code gives padding the score 0, above all scores of this bag."""
    model, inputs = made(), bag(4)
    with torch.no_grad():
        model.head.linear.bias.fill_(-100.0)
    padded = {
        "context_feature": torch.cat([inputs["context_feature"], torch.zeros(1, 6, 4)], dim=1),
        "present": torch.tensor([[True] * 4 + [False] * 6]),
    }
    before, after = model(**inputs).expression, model(**padded).expression
    assert (before < -50).all()
    torch.testing.assert_close(before, after)


def test_a_tile_without_a_positive_feature_is_a_tile():
    """The released code takes it for padding: its mask is `max(features) > 0`."""
    model = made(top=(10**6,))
    inputs = bag(2)
    inputs["context_feature"] = -inputs["context_feature"].abs()
    one = {key: value[:, :1] for key, value in inputs.items()}
    scores = scores_of(model, inputs)
    torch.testing.assert_close(model(**inputs).expression[0], scores[0].mean(dim=0))
    torch.testing.assert_close(model(**one).expression[0], scores[0, 0])
    assert (scores != 0).all()


def test_predictions_below_zero_stay():
    """The released code puts predictions through a ReLU; log and residual targets are negative."""
    model = made()
    with torch.no_grad():
        model.head.linear.bias.fill_(-2.0)
    assert (model(**bag(9)).expression < -1).all()


def test_the_shares_of_a_gene_follow_its_own_ranks():
    model, inputs = made(), bag(9)
    evidence = {name: value.detach() for name, value in model.evidence(**inputs).items()}
    weight, scores = evidence["attention"][0], evidence["instance_score"][0]
    by_rank = torch.tensor([np.mean([(rank < k) / k for k in TOP]) for rank in range(9)])
    for gene in range(3):
        order = scores[:, gene].argsort(descending=True)
        torch.testing.assert_close(weight[order, gene], by_rank.float())


def test_a_bag_of_super_tiles_has_the_label_of_its_patient_and_a_map_of_every_tile(tmp_path):
    table = planted_table(1)
    settings = RunSettings(
        cohort="none",
        models=("he2rna",),
        settings={"he2rna": {"preset": "tiny", "super_tiles": 8, "tiles": 20}},
        train=TrainSettings(epochs=2, batch_size=2),
        run=MachineSettings(device="cpu"),
    )
    fitted = fit(settings.row("he2rna"), table, settings, tmp_path)
    predicted = fitted.predict(queries_of(table))
    assert predicted.values.shape == table.target.shape
    np.testing.assert_allclose(
        predicted.evidence["instance_score"], predicted.values, atol=1e-5, rtol=1e-5
    )
    (alone,) = fitted.predict_bags(queries_of(table, slice(60))).values
    eight = super_tiles(table.feature[:60], 8)
    with torch.no_grad():
        known = fitted.model(torch.from_numpy(eight)[None], torch.ones(1, 8, dtype=torch.bool))
    np.testing.assert_allclose(alone, known.expression[0].numpy(), atol=1e-5)


def test_no_number_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one number"):
        create_model("he2rna", n_genes=1, feature_width=4, top=())
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        create_model("he2rna", n_genes=1, feature_width=4, top=(0,))
