"""Promises that every model of bags keeps; a new model is tested by being registered."""

import numpy as np
import pytest
import torch

from histoscribe.data.items.bags import BagItems
from histoscribe.train.epoch_end import EpochEnd
from tests import toys
from tests.contracts.fitting import (
    KilledError,
    fitted,
    killed_after,
    models_of,
    predict,
    predicted_by,
)
from tests.contracts.tables import (
    in_random_order,
    on_two_places_of_the_slide,
    planted_table,
    queries_of,
)

MODELS = [*models_of("bag"), toys.BAG]


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        yield


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def made(name, tmp_path_factory):
    return fitted(name, tmp_path_factory.mktemp("models"), batch_size=2)


@pytest.fixture
def inputs(made):
    """Three bags of 60, 13 and 1 spots: what the model sees of them, and which are present."""
    items = BagItems(planted_table(1), (np.arange(60), np.arange(60, 73), np.arange(120, 121)))
    given = items.inputs(made.model.inputs(made.model.config), np.arange(3))
    return {**given, "present": items.present(np.arange(3))}


def test_one_row_a_patient_and_one_column_a_gene(made):
    table = planted_table(1)
    bags = made.predict_bags(queries_of(table))
    assert bags.patients == ("A", "B", "C", "D")
    assert bags.values.shape == (4, table.target.shape[1])
    assert np.isfinite(bags.values).all()


def test_a_map_has_a_row_a_spot_which_is_the_bag_of_that_spot_alone(made):
    table = planted_table(1)
    predicted = predicted_by(made, table)
    assert predicted.shape == table.target.shape
    for row in (0, 77, 239):
        alone = made.predict_bags(queries_of(table, slice(row, row + 1))).values
        np.testing.assert_allclose(alone, predicted[row : row + 1], atol=1e-5)


def test_a_bag_does_not_depend_on_the_others_of_its_batch(made, inputs):
    together = predict(made, inputs)
    for place, size in enumerate((60, 13, 1)):
        alone = {key: value[place : place + 1, :size] for key, value in inputs.items()}
        torch.testing.assert_close(together[place], predict(made, alone)[0], atol=1e-5, rtol=0)


def test_padding_with_random_numbers_changes_nothing(made, inputs):
    there, draws = inputs["present"], torch.Generator().manual_seed(3)
    filled = {
        key: value if key == "present" else _filled(value, there, draws)
        for key, value in inputs.items()
    }
    torch.testing.assert_close(predict(made, inputs), predict(made, filled), atol=1e-6, rtol=0)


def _filled(value, there, draws):
    """The same values with noise where there is no tile."""
    noise = (1000 * torch.randn(value.shape, generator=draws)).abs().to(value.dtype)
    return torch.where(there.reshape(*there.shape, *[1] * (value.ndim - 2)), value, noise)


def test_asking_for_evidence_changes_no_bit(made, inputs):
    before = predict(made, inputs)
    evidence_of(made, inputs)
    assert torch.equal(before, predict(made, inputs))


def test_evidence_has_the_width_that_is_declared(made, inputs):
    evidence, size = evidence_of(made, inputs), inputs["present"].shape
    widths = {name: value.reshape(*size, -1).shape[2] for name, value in evidence.items()}
    assert widths == made.model.evidence_widths()


def test_the_last_step_reads_the_representation(made, inputs):
    model = made.model
    given = {name: inputs[name] for name in model.inputs(model.config)}
    with torch.no_grad():
        whole, parts = model.forward(**given), model.read(model.represent(**given))
    assert all(map(torch.equal, whole.tensors, parts.tensors))


def test_attention_and_contributions_add_up_over_the_tiles_of_a_bag(made, inputs):
    evidence, there = evidence_of(made, inputs), inputs["present"]
    for name, value in evidence.items():
        assert (value[~there] == 0).all(), name
    if "attention" in evidence:
        total = evidence["attention"].sum(dim=1)
        torch.testing.assert_close(total, torch.ones_like(total), atol=1e-4, rtol=0)
    if "contribution" in evidence:
        total = evidence["contribution"].sum(dim=1)
        torch.testing.assert_close(total, predict(made, inputs), atol=1e-5, rtol=1e-5)


def test_the_score_of_a_tile_is_the_bag_of_that_tile_alone(made, inputs):
    scores = evidence_of(made, inputs).get("instance_score")
    if scores is None:
        pytest.skip("this model has no score for a tile")
    for bag, tile in ((0, 5), (0, 59), (1, 12), (2, 0)):
        alone = {key: value[bag : bag + 1, tile : tile + 1] for key, value in inputs.items()}
        torch.testing.assert_close(scores[bag, tile], predict(made, alone)[0], atol=1e-5, rtol=0)


def evidence_of(made, inputs):
    """What the network says of each tile of these bags."""
    names = made.model.inputs(made.model.config)
    with torch.no_grad():
        return made.model.evidence(**{name: inputs[name] for name in names})


@pytest.mark.parametrize("name", models_of("bag"), indirect=True)  # the toy checks nothing
def test_a_bag_without_tiles_has_no_value(made, inputs):
    empty = {**inputs, "present": inputs["present"].clone()}
    empty["present"][1] = False
    with pytest.raises(ValueError, match="bag 1 of 3 in this batch has no tiles"):
        predict(made, empty)


def test_the_order_of_spots_does_not_matter(made):
    queries = queries_of(planted_table(1))
    mixed, _ = in_random_order(queries)
    bags, again = made.predict_bags(queries), made.predict_bags(mixed)
    assert bags.patients == again.patients
    np.testing.assert_allclose(bags.values, again.values, atol=1e-5)


def test_the_centre_of_the_slide_does_not_matter(made):
    here, there = (made.predict_bags(queries).values for queries in on_two_places_of_the_slide())
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_same_seed_same_bits_and_the_global_generator_is_left_alone(name, tmp_path):
    table, before = planted_table(1), torch.get_rng_state()
    one, again = (fitted(name, tmp_path / part, epochs=3) for part in ("one", "again"))
    np.testing.assert_array_equal(predicted_by(one, table), predicted_by(again, table))
    assert torch.equal(torch.get_rng_state(), before)


def test_few_bags_choose_their_epoch_by_squared_error(made):
    assert set(made.model.choice) == {"epoch", "loss", "inner_minus_mse"}
    assert all(score <= 0 for score in made.model.choice["inner_minus_mse"])


def test_gradients_reach_every_parameter(made, inputs):
    names = made.model.inputs(made.model.config)
    output = made.model.train()(**{name: inputs[name] for name in names})
    output.expression.square().sum().backward()
    for parameter, value in made.model.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter
    made.model.zero_grad(set_to_none=True)
    made.model.eval()


def test_killed_between_epochs_ends_in_the_same_bits(name, tmp_path, monkeypatch):
    table = planted_table(1)
    whole = fitted(name, tmp_path / "whole", epochs=4, batch_size=2)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(2))
        with pytest.raises(KilledError):
            fitted(name, tmp_path / "parts", epochs=4, batch_size=2)
    resumed = fitted(name, tmp_path / "parts", epochs=4, batch_size=2)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(resumed, table))
    assert whole.model.choice == resumed.model.choice
