"""The question `concepts`, from request to finding."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.data.images import SlideTiles
from histoscribe.encoders.encoder import load_encoder
from histoscribe.errors import DataContractError
from histoscribe.explain.concepts.cost import cost_of
from histoscribe.explain.concepts.readings import main_layers, read_layers
from histoscribe.models.base import create_model
from histoscribe.predictor.fitted_model import Fitted
from tests.explain.concepts.chance import ask, concept
from tests.explain.concepts.painted import (
    GENES,
    MEASURES,
    painted_cohort,
    trained_predictor,
)


@pytest.fixture(scope="module")
def painted():
    return trained_predictor(0, painted_cohort(5000)), painted_cohort(0)


def test_planted_concepts_are_relevant_for_their_genes():
    concept()


def test_equal_questions_give_equal_files_and_change_no_prediction(painted, tmp_path):
    predictor, cohort = painted
    image = SlideTiles(cohort["New0"], predictor.encoding.tiles).read(np.arange(3)).float()
    before = predictor.from_pixels(image).expression
    first, second = (ask(predictor, cohort, tmp_path / name, tiles=20) for name in "ab")
    for name in (*first.figures, *first.tables, "finding.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name
    assert (predictor.from_pixels(image).expression == before).all()
    assert not any(module._forward_hooks for module in predictor.model.modules())
    assert all(weight.grad is None for weight in predictor.model.parameters())
    depth = pd.read_csv(first.folder / "depth.csv")
    assert set(depth["concept"]) == {*MEASURES, "scale"}
    assert first.about["layer_of_relevance"] == "network.hidden"


def test_slopes_are_those_of_the_prediction(painted):
    predictor, cohort = painted
    image = SlideTiles(cohort["New0"], predictor.encoding.tiles).read(np.arange(4))
    layers = main_layers(predictor, image[:1])
    assert layers == ("network.hidden",)
    reading = read_layers(predictor, image, layers, (0, 1))
    weight = predictor.model.head.weight.detach().numpy()[:2]
    np.testing.assert_allclose(reading.layers[0].slope, np.tile(weight, (4, 1, 1)), rtol=1e-6)
    assert read_layers(predictor, image, layers, ()).layers[0].slope.shape == (4, 0, 8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layers": ["network.hiden"]}, "did you mean network.hidden"),
        ({"layers": ["network.head"]}, "gives the genes"),
        ({"measures": ["nuclear_area"]}, "at most 0.7 um/px"),
        ({"measures": ["eosin"]}, "did you mean eosin_density"),
        ({"genes": ["BLU"]}, "did you mean BLUE"),
        ({"sections": ["New9"]}, "no such section"),
        ({"sections": ["New0", "New1"]}, "at least 3 sections"),
        ({"genes": [*GENES, "FILLER0", "FILLER1", "FILLER2"]}, "at most 6"),
    ],
)
def test_a_mistake_is_named(painted, settings, words):
    with pytest.raises(DataContractError, match=words):
        hs.explain("concepts", *painted, **settings)


def test_a_model_without_gradient_names_those_that_have_one(painted):
    predictor = replace(painted[0], fitted=Fitted(create_model("ridge")))
    with pytest.raises(DataContractError, match=r"ridge is no network[\s\S]*mlp"):
        hs.explain("concepts", predictor, painted[1])


def test_an_earlier_cut_costs_less():
    early, late = (
        cost_of(load_encoder("torchvision:squeezenet1_0", layer=layer, random_seed=0), 64)
        for layer in ("features.3", "features.12")
    )
    assert 0 < early.operations < late.operations
    assert 0 < early.parameters < late.parameters
