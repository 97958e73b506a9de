"""`layers`: what it refuses, and that asking changes nothing and gives the same bytes."""

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.layers.plan import TOPICS
from histoscribe.explain.layers.question import LayersQuestionSettings
from tests.explain.alike import alike_cohort, predictor_of
from tests.explain.layers.chance import ask, random_predictor


@pytest.fixture
def vit():
    """A tiny vision transformer."""
    return predictor_of("vit")


def problems(*predictors, **settings):
    """Everything that the question refuses, as text."""
    with pytest.raises(DataContractError) as error:
        ask(*predictors, **settings)
    return str(error.value)


def test_the_same_question_gives_the_same_bytes_and_predictions_stay(vit, tmp_path):
    section = alike_cohort(0)["N0S"]
    before = vit(section, tmp_path / "cache").values
    findings = [ask(vit, out=tmp_path / name, sections="N0S", tiles=9) for name in "ab"]
    for name in findings[0].figures + findings[0].tables:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    np.testing.assert_array_equal(before, vit(section, tmp_path / "cache").values)


def test_every_number_has_its_value_by_chance_and_layers_run_from_pixels_to_genes(vit, tmp_path):
    finding = ask(vit, out=tmp_path / "layers", sections="N0S")
    of_next = ["cka_of_next", "cka_of_next_stream", "cka_of_next_branch"]
    assert [of.name for of in finding.statistic] == ["cka_to_random", *of_next]
    assert finding.figures == ("similarity.png", "learned.png", "branches.png")
    for number in finding.statistic:
        chance = finding.chance(number.name)
        assert chance.low < chance.value < chance.high
    assert finding.chance("cka_permuted_tiles").value == pytest.approx(0, abs=0.1)
    pairs = pd.read_csv(tmp_path / "layers" / "similarity.csv")
    layers = list(dict.fromkeys(pairs["layer"]))
    assert layers[0] == "network.patches.normalise"
    assert layers[-1] == "network.head"
    same = pairs[pairs["layer"] == pairs["with_layer"]]
    np.testing.assert_allclose(same["cka"], 1)


def test_two_predictors_are_compared_layer_by_layer(vit, tmp_path):
    mlp = random_predictor(3)
    layers = ["network.patches.net.norm", "network.hidden"]
    finding = ask(vit, mlp, out=tmp_path / "two", layers=layers, sections="N0S")
    pairs = pd.read_csv(tmp_path / "two" / "similarity.csv")
    assert len(pairs) == 3
    assert {"cka_to_random_1", "cka_to_random_2"} <= {of.name for of in finding.statistic}


def test_a_model_without_layers_unknown_layers_and_too_many_predictors_are_refused(vit):
    assert "ridge is no network" in problems(predictor_of("ridge"))
    text = problems(vit, layers=["network.patches.net.blocks.2"])
    assert "did you mean network.patches.net.blocks.1 or" in text
    assert "does not run" in problems(vit, layers=["network.patches.net"])
    assert "at most 2 predictors" in problems(vit, vit, vit)
    assert "no such section" in problems(vit, sections="N7S")


def test_two_models_without_common_layers_are_refused_unless_layers_of_both_are_named(vit):
    mlp = random_predictor(3)
    assert "no layer of one name" in problems(vit, mlp)
    assert "no layer of one name" in problems(vit, mlp, layers="network.hidden")


def test_every_answer_reads_settings_that_there_are():
    fields = set(LayersQuestionSettings.model_fields) - {"about"}
    assert {name for topic in TOPICS.values() for name in topic.settings} == fields
