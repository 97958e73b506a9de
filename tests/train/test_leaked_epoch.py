"""The named leak `epoch`: the test spots choose the epoch, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data.items.spots import SpotItems
from histoscribe.errors import DataContractError
from histoscribe.models.inner_validation import validation_score
from histoscribe.predictor.forward import predict_items
from histoscribe.train.fit import fit
from histoscribe.train.settings import parse_settings
from histoscribe.types import SpotKeys, SpotTable


def settings_of(*, models=("mlp",), train=None, **changes):
    table = {
        "cohort": "c.csv",
        "models": list(models),
        "settings": {"mlp": {"preset": "tiny"}},
        "folds": {"protocol": "section", "leaks": ["epoch"]},
        "train": {"epochs": 12, "batch_size": 16, "learning_rate": 0.02, **(train or {})},
        "run": {"device": "cpu"},
        **changes,
    }
    return parse_settings(table, "settings")


def spots(section, seed, n_spots=40):
    draws = np.random.default_rng(seed)
    feature = draws.normal(size=(n_spots, 5)).astype(np.float32)
    target = feature[:, :3] + draws.normal(size=(n_spots, 3))
    return SpotTable(
        feature=feature,
        target=target.astype(np.float32),
        log_total=np.zeros(n_spots),
        keys=SpotKeys.of_section(section, "P", [str(row) for row in range(n_spots)]),
        inner=((np.arange(20), np.arange(20, 40)),),
        encoder="made",
    )


def test_the_kept_epoch_is_the_best_one_on_the_test_spots(tmp_path):
    settings = settings_of()
    test = spots("t", 1)
    model = fit(settings.row("mlp"), replace(spots("s", 0), leaked=test), settings, tmp_path).model
    scores = model.choice["inner_pcc"]
    predicted = predict_items(model, SpotItems(test), np.arange(40)).expression
    found = validation_score(predicted, test.target, test.keys.section)
    assert found == pytest.approx(max(scores), abs=1e-6)
    assert model.choice["epoch"] == 1 + int(np.argmax(scores))


def test_weights_of_an_epoch_are_those_of_training_on_all_training_spots(tmp_path):
    alone, leaky = settings_of(train={"epochs": 1}), settings_of(train={"epochs": 1})
    alone = alone.model_copy(update={"train": alone.train.model_copy(update={"keep": "last"})})
    table = spots("s", 0)
    row = alone.row("mlp")
    one = fit(row, table, alone, tmp_path / "one").model.state_dict()
    other = fit(row, replace(table, leaked=spots("t", 1)), leaky, tmp_path / "two").model
    assert all(torch.equal(one[name], value) for name, value in other.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": {"keep": "last"}}, "train.keep is"),
        ({"train": {"loss": "nb"}, "target": {"transform": "cp10k"}}, "losses of counts"),
        ({"models": ("mlp", "retro"), "settings": {}}, "retro reads more"),
        ({"folds": {"protocol": "patient", "leaks": ["epoch"]}}, "does not leak"),
    ],
)
def test_where_no_epoch_can_be_chosen_so_the_leak_is_refused(changes, words):
    with pytest.raises(DataContractError, match=words):
        settings_of(**changes)
