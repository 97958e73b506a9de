"""Training with concepts: what is planted, what stays as it is, and what goes on after a stop."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.errors import DataContractError
from histoscribe.models.base import register
from histoscribe.models.networks.mlp import MLPConfig
from histoscribe.predictor.steering_curve import mean_shares, side_task_warnings
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.steer_record import steer_warnings
from histoscribe.train.steer_settings import SteerSettings
from tests import toys
from tests.contracts.fitting import KilledError, killed_after, killed_within, predicted_by
from tests.train.steered import CONCEPT, NUISANCE, STEER, probed, steered_fit, steered_table
from tests.train.test_items_in_training import unequal_table

ALL = {"learn": (CONCEPT,), "unlearn": (NUISANCE, "patient", "site")}


class LearnedSection(toys.SectionMean):
    """A toy with a layer of its own before the representation."""

    def __init__(self, facts, config):
        super().__init__(facts, config)
        self.layer = nn.Linear(2 * len(facts.feature_mean), 2 * len(facts.feature_mean))

    def represent(self, context_feature, context_um, present):
        return self.layer(super().represent(context_feature, context_um, present))


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        register("learned-section")(LearnedSection)
        yield


@pytest.fixture(scope="module")
def table():
    return steered_table()


def assert_same_weights(one, other):
    for (name, value), (_, again) in zip(
        one.model.state_dict().items(), other.model.state_dict().items(), strict=True
    ):
        assert torch.equal(value, again), name


@pytest.mark.parametrize(
    ("name", "accumulate"), [("mlp", 1), ("stnet", 2), ("abmil", 2), ("stformer", 1)]
)
def test_probes_of_weight_zero_leave_every_bit_of_a_network(name, accumulate, table, tmp_path):
    train = {"epochs": 2, "accumulate": accumulate, "batch_size": 32}
    plain = steered_fit(name, tmp_path / "plain", table, **train)
    probes = {"unlearn": (NUISANCE, "patient", "site"), "unlearn_weight": 0.0}
    probed_ = steered_fit(name, tmp_path / "probed", table, probes, **train)
    assert_same_weights(plain, probed_)
    of_probe = probed_.model.choice["steering"]
    assert of_probe["genes"]["share"] == [1.0, 1.0]
    assert of_probe["site"]["loss"][1] != of_probe["site"]["loss"][0]
    assert "steering" not in plain.model.choice


@pytest.mark.parametrize(
    ("name", "train", "weight"),
    [
        ("mlp", {"epochs": 20}, 0.3),
        pytest.param("stformer", {"epochs": 60, "batch_size": 2}, 0.3, marks=pytest.mark.slow),
    ],
)
def test_a_planted_nuisance_leaves_the_representation_and_a_concept_stays(
    name, train, weight, table, tmp_path
):
    found = {}
    for unlearned in (0.0, weight):
        steer = {
            "learn": (CONCEPT,),
            "unlearn": (NUISANCE,),
            "learn_weight": 0.3,
            "unlearn_weight": unlearned,
        }
        made = steered_fit(name, tmp_path / f"{unlearned}", table, steer, keep="last", **train)
        found[unlearned] = probed(made, table)
    assert min(found[0.0][0], found[weight][0]) > 0.8
    assert found[0.0][1] > 0.3
    assert found[weight][1] < found[0.0][1] - 0.3


@pytest.mark.parametrize(
    ("name", "accumulate"), [("mlp", 1), ("mlp", 2), ("stformer", 2), ("abmil", 1)]
)
def test_stopped_and_started_again_ends_in_the_same_bits(
    name, accumulate, table, tmp_path, monkeypatch
):
    train = {"epochs": 3, "batch_size": 2 if name != "mlp" else 40, "accumulate": accumulate}
    whole = steered_fit(name, tmp_path / "whole", table, ALL, **train)
    places = {"epoch": ("on_train_epoch_end", killed_after(2))}
    if accumulate == 1 and name == "mlp":
        places["step"] = ("on_train_batch_end", killed_within(1, 2))
    for place, (method, ending) in places.items():
        with monkeypatch.context() as patch:
            patch.setattr(EpochEnd, method, ending)
            with pytest.raises(KilledError):
                steered_fit(name, tmp_path / place, table, ALL, **train)
        again = steered_fit(name, tmp_path / place, table, ALL, **train)
        assert_same_weights(whole, again)
        assert whole.model.choice == again.model.choice


@pytest.mark.parametrize(("name", "batch_size"), [("mlp", 8), ("learned-section", 2)])
def test_accumulated_batches_steer_like_the_large_batch(
    name, batch_size, table, tmp_path, monkeypatch
):
    monkeypatch.setattr(MLPConfig, "tiny", classmethod(lambda cls: cls(hidden=8, dropout=0.0)))
    mixed = replace(table, keys=unequal_table().keys)
    train = {"epochs": 2, "keep": "last"}
    large = steered_fit(name, tmp_path / "large", mixed, STEER, batch_size=3 * batch_size, **train)
    small = steered_fit(
        name, tmp_path / "small", mixed, STEER, batch_size=batch_size, accumulate=3, **train
    )
    expected = large.model.state_dict()
    for key, value in small.model.state_dict().items():
        np.testing.assert_allclose(value, expected[key], atol=2e-5, err_msg=key)


def test_a_side_task_that_outweighs_the_genes_is_named_and_a_light_one_is_not(
    table, tmp_path, caplog
):
    texts = {}
    for weight in (0.001, 30.0):
        caplog.clear()
        steer = {"unlearn": (NUISANCE,), "unlearn_weight": weight}
        with caplog.at_level(logging.WARNING, logger="histoscribe.train.loop"):
            made = steered_fit("mlp", tmp_path / str(weight), table, steer)
        shares = mean_shares(made.model.choice)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert (shares[NUISANCE] > shares["genes"]) == (weight == 30.0)
        texts[weight] = (caplog.text, side_task_warnings(made.model.choice))
    assert texts[0.001] == ("", ())
    assert f"the concept {NUISANCE} outweighs the genes" in texts[30.0][0]
    assert "lower steer.unlearn_weight" in texts[30.0][1][0]


@pytest.mark.parametrize(
    ("name", "concept", "batch"),
    [
        ("stformer", "patient", {"batch_spots": 1}),
        ("abmil", NUISANCE, {"batch_spots": 1}),
        ("mlp", "site", {"batch_size": 1}),
    ],
)
def test_a_concept_is_unlearned_where_each_batch_has_one_class_or_label(
    name, concept, batch, table, tmp_path
):
    of_patient = np.repeat([-1.5, -0.5, 0.5, 1.5], 60).astype(np.float32)
    apart = replace(table, concept=table.concept + of_patient[:, None])
    steer = {"unlearn": (concept,), "unlearn_weight": 1.0}
    made = steered_fit(name, tmp_path, apart, steer, epochs=2, **batch)
    assert mean_shares(made.model.choice)[concept] > 0
    assert not any("not unlearned" in of for of in _warnings(made, steer))


def test_a_concept_that_was_never_unlearned_is_named(table, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("histoscribe.train.steering._N_STEPS", 0)
    constant = replace(table, concept=np.zeros_like(table.concept))
    for weight in (0.0, 1.0):
        caplog.clear()
        steer = {"unlearn": (NUISANCE,), "unlearn_weight": weight}
        with caplog.at_level(logging.WARNING, logger="histoscribe.train.loop"):
            made = steered_fit("mlp", tmp_path / str(weight), constant, steer)
        words = f"the concept {NUISANCE} was not unlearned"
        assert (words in caplog.text) == (weight > 0)
        assert any(words in of for of in _warnings(made, steer)) == (weight > 0)


def _warnings(made, steer):
    return steer_warnings(SteerSettings(**steer), made.model.choice)


def test_a_network_without_weights_before_its_last_step_is_refused(table, tmp_path):
    with pytest.raises(DataContractError, match="no weights before its representation"):
        steered_fit("linear-probe", tmp_path, table, STEER)


def test_a_saved_network_has_no_heads(table, tmp_path):
    plain = steered_fit("mlp", tmp_path / "plain", table)
    steered = steered_fit("mlp", tmp_path / "steered", table, ALL)
    assert plain.model.state_dict().keys() == steered.model.state_dict().keys()
    assert not np.array_equal(predicted_by(plain, table), predicted_by(steered, table))
