"""`layers`: what it refuses, and that asking changes nothing and gives the same bytes."""

import numpy as np
import pandas as pd
import pytest
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.errors import DataContractError
from histoscribe.explain.layers import attention
from histoscribe.explain.layers.plan import TOPICS
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.random_networks import N_RANDOM
from histoscribe.progress import told_to
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


def test_the_estimate_comes_with_one_section_too(vit, monkeypatch):
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    told: list[str] = []
    with told_to(told.append):
        ask(vit, sections="N0S", tiles=8)
        ask(vit, about="attention", sections="N0S", tiles=8)
    assert [line.split(":")[0] for line in told] == [
        f"layers of {N_RANDOM + 1} networks of {vit.name}, 1 sections",
        f"attention of {N_RANDOM + 1} networks, 1 sections",
    ]


def test_tiles_are_read_once_for_all_networks_of_a_predictor(vit, monkeypatch):
    read, sections = attention.read_tiles, []
    monkeypatch.setattr(
        attention, "read_tiles", lambda *given: sections.append(given[1].id) or read(*given)
    )
    ask(vit, about="attention", sections=["N0S", "N1S"], tiles=8)
    assert sections == ["N0S", "N1S"]


def whitened(monkeypatch, below):
    """Spots before `below` have white tiles."""
    read = SlideTiles.read

    def with_white(self, rows):
        image = read(self, rows)
        image[torch.as_tensor(rows < below)] = 255
        return image

    monkeypatch.setattr(SlideTiles, "read", with_white)


@pytest.mark.parametrize("about", ["similarity", "units"])
def test_layers_are_tried_on_tiles_of_the_whole_section(about, monkeypatch):
    every = ask(random_predictor(3), about=about, tiles=8, **steps_of(about)).about["layers"]
    whitened(monkeypatch, below=9)
    finding = ask(random_predictor(3), about=about, tiles=8, **steps_of(about))
    assert finding.about["layers"] == every


@pytest.mark.parametrize("about", ["similarity", "units"])
def test_a_section_of_equal_tiles_is_refused(about, monkeypatch):
    whitened(monkeypatch, below=36)
    text = problems(random_predictor(3), about=about, sections="N0S", **steps_of(about))
    assert "section N0S" in text
    assert "varies over 8 tiles" in text
    assert "name another section" in text


def steps_of(about):
    """Few steps, where the answer takes steps."""
    return {"steps": 2} if about == "units" else {}


def test_every_answer_reads_settings_that_there_are():
    fields = set(LayersQuestionSettings.model_fields) - {"about"}
    assert {name for topic in TOPICS.values() for name in topic.settings} == fields
