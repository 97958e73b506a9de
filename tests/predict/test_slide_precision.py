"""The encoder of a slide takes bfloat16 on a GPU that agrees, by the slide's first tiles."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.predict import blocks, threads
from histoscribe.predict.blocks import predicted_blocks
from histoscribe.predict.plan import SlideRequest, make_plan, open_request
from histoscribe.predict.threads import slide_precision, work_by_chunk
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.saving import load_predictor
from tests.data.test_features import make_encoder
from tests.predict.conftest import MPP, SPACING_UM


def opened(folder, slide, spoil=lambda feature: feature, precision="bfloat16"):
    """A predictor whose encoder has weights, and the plan of a slide."""
    predictor = load_predictor(folder)
    predictor.encoding = replace(predictor.encoding, precision=precision)
    predictor._encoder = make_encoder(spoil)
    request = SlideRequest(path=slide, spacing_um=SPACING_UM, mpp=MPP)
    tiles = predictor.encoding.tiles
    return predictor, make_plan(request, open_request(request, tiles), tiles)


@pytest.fixture
def _gpu(monkeypatch):
    """As if the device were a GPU with bfloat16."""
    monkeypatch.setattr(threads, "offered", lambda precision, device: precision)


def test_a_cpu_predicts_in_float32(predictor_folder, slide_file):
    assert slide_precision(*opened(predictor_folder, slide_file)) == "float32"


@pytest.mark.usefixtures("_gpu")
def test_a_gpu_that_agrees_encodes_in_the_precision_of_the_training(predictor_folder, slide_file):
    assert slide_precision(*opened(predictor_folder, slide_file)) == "bfloat16"
    full = opened(predictor_folder, slide_file, precision="float32")
    assert slide_precision(*full) == "float32"
    noise = opened(predictor_folder, slide_file, lambda feature: torch.sin(feature.float() * 1e3))
    assert slide_precision(*noise) == "float32"


@pytest.mark.usefixtures("_gpu")
def test_every_part_of_a_slide_has_the_precision_of_its_first_tiles(predictor_folder, slide_file):
    predictor, plan = opened(predictor_folder, slide_file)

    def features(chunks):
        parts = work_by_chunk(predictor, plan, chunks, lambda rows, image, feature: feature)
        return np.concatenate([part for _, of_chunk in parts for part in of_chunk])

    n_places = len(plan.section.spots)
    whole, last = features([slice(0, n_places)]), features([slice(16, n_places)])
    np.testing.assert_array_equal(whole[16:], last)
    predictor.encoding = replace(predictor.encoding, precision="float32")
    full = features([slice(0, n_places)])
    assert not np.array_equal(full, whole)
    np.testing.assert_allclose(full, whole, rtol=0.05, atol=0.3)


def test_a_network_has_one_precision_on_all_of_a_slide(predictor_folder, slide_file, monkeypatch):
    predictor, plan = opened(predictor_folder, slide_file)
    predictor._encoder = predictor.encoding.open({})
    monkeypatch.setattr(blocks, "offered", lambda precision, device: precision)
    tried, used, predict = [], [], Fitted.predict

    def agreed(self, queries, device, precision):
        tried.append(queries.keys.spot.tolist())
        return precision

    def noted(self, queries, device, precision):
        used.append(precision)
        return predict(self, queries, device)

    monkeypatch.setattr(Fitted, "agreed_precision", agreed)
    monkeypatch.setattr(Fitted, "predict", noted)
    chunks = [slice(16, len(plan.section.spots))]
    assert list(predicted_blocks(predictor, plan, chunks, keep_unlike=True))
    assert tried == [list(plan.section.spots.ids[:16])]
    assert set(used) == {"bfloat16"}
