"""Promises that every model of sections keeps; a new model is tested by being registered."""

import numpy as np
import pytest
import torch

from histoscribe.data.items.sections import SectionItems
from histoscribe.models.base import model_class
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.types import Labels
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

MODELS = [*models_of("section"), toys.SECTION]


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
    """Three sections of 60, 13 and 1 spots: what the model sees of them, and which are present."""
    table = planted_table(1)
    runs = (np.arange(60), np.arange(60, 73), np.arange(120, 121))
    items = SectionItems(table, runs)
    given = items.inputs(made.model.inputs(made.model.config), np.arange(3))
    return {**given, "present": items.present(np.arange(3))}


def test_one_row_a_spot_and_one_column_a_gene(made):
    table = planted_table(1)
    predicted = predicted_by(made, table)
    assert predicted.shape == table.target.shape
    assert np.isfinite(predicted).all()


def test_a_section_does_not_depend_on_the_others_of_its_batch(made, inputs):
    together = predict(made, inputs)
    for place, size in enumerate((60, 13, 1)):
        alone = {key: value[place : place + 1, :size] for key, value in inputs.items()}
        torch.testing.assert_close(
            together[place, :size], predict(made, alone)[0], atol=1e-5, rtol=0
        )


def test_padding_with_random_numbers_changes_nothing(made, inputs):
    there = inputs["present"]
    filled = {
        key: value if key == "present" else torch.where(there[..., None], value, noise(value))
        for key, value in inputs.items()
    }
    before, after = predict(made, inputs), predict(made, filled)
    torch.testing.assert_close(before[there], after[there], atol=1e-6, rtol=0)


def noise(value):
    return 1000 * torch.randn(value.shape, generator=torch.Generator().manual_seed(3))


def test_padding_has_no_part_in_the_loss(made, inputs):
    there = inputs["present"]
    names = made.model.inputs(made.model.config)
    output = made.model(**{name: inputs[name] for name in names})
    target = torch.zeros(output.expression.shape)
    losses = [
        made.model.loss(output, Labels(torch.where(there[..., None], target, of), present=there))
        for of in (target, noise(target))
    ]
    assert losses[0] == losses[1]


def test_the_order_of_spots_does_not_matter(made):
    queries = queries_of(planted_table(1))
    mixed, order = in_random_order(queries)
    expected = made.predict(queries).values[order]
    np.testing.assert_allclose(made.predict(mixed).values, expected, atol=1e-5)


def test_the_centre_of_the_slide_does_not_matter(made):
    here, there = (made.predict(queries).values for queries in on_two_places_of_the_slide())
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_sections_apart_are_predicted_as_sections_together(made):
    table = planted_table(1)
    together = predicted_by(made, table)
    for _, _, rows in table.keys.by_section():
        alone = predicted_by(made, table, slice(rows[0], rows[-1] + 1))
        np.testing.assert_array_equal(alone, together[rows])


def test_prediction_draws_nothing(made):
    table = planted_table(1)
    np.testing.assert_array_equal(predicted_by(made, table), predicted_by(made, table))


def test_same_seed_same_bits_and_the_global_generator_is_left_alone(name, tmp_path):
    table, before = planted_table(1), torch.get_rng_state()
    one, again = (fitted(name, tmp_path / part, epochs=3) for part in ("one", "again"))
    np.testing.assert_array_equal(predicted_by(one, table), predicted_by(again, table))
    assert torch.equal(torch.get_rng_state(), before)


def test_computing_layers_again_changes_no_weight(name, tmp_path):
    if model_class(name).checkpointing is None:
        with pytest.raises(ValueError, match="cannot compute layers again"):
            fitted(name, tmp_path, checkpoint=True)
        return
    table = planted_table(1)
    kept, again = (
        fitted(name, tmp_path / str(on), epochs=2, checkpoint=on) for on in (False, True)
    )
    np.testing.assert_allclose(predicted_by(kept, table), predicted_by(again, table), atol=1e-5)


def test_a_planted_truth_is_found(made):
    test = planted_table(0)  # same truth: the seed fixes the weights
    predicted = predicted_by(made, test)
    r = [np.corrcoef(predicted[:, g], test.target[:, g])[0, 1] for g in range(4)]
    assert np.mean(r) > 0.3


def test_the_last_step_reads_the_representation(made, inputs):
    model, there = made.model, inputs["present"]
    given = {name: inputs[name] for name in model.inputs(model.config)}
    first = {name: value[:1] for name, value in given.items()}  # without padding
    with torch.no_grad():
        whole, parts = model.forward(**first), model.read(model.represent(**first))
        assert all(map(torch.equal, whole.tensors, parts.tensors))
        whole, parts = model.forward(**given), model.read(model.represent(**given))
    for one, other in zip(whole.tensors, parts.tensors, strict=True):
        torch.testing.assert_close(one[there], other[there])


def test_evidence_has_the_width_that_is_declared_and_asking_changes_no_bit(made, inputs):
    model = made.model
    given = {name: inputs[name] for name in model.inputs(model.config)}
    before = predict(made, inputs)
    with torch.no_grad():
        evidence = model.evidence(**given)
    assert torch.equal(before, predict(made, inputs))
    assert {name: value.shape[2] for name, value in evidence.items()} == model.evidence_widths()
    assert all((value[~inputs["present"]] == 0).all() for value in evidence.values())


def test_gradients_reach_every_parameter(made, inputs):
    names = made.model.inputs(made.model.config)
    output = made.model.train()(**{name: inputs[name] for name in names})
    output.expression[inputs["present"]].square().sum().backward()
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
