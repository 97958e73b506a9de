"""A third source of encoders needs a class and a file format: no other code knows of it."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from histoscribe.benchmark.run import benchmark
from histoscribe.data.folds import make_folds
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.trained import TRAINED, TrainedFormat
from histoscribe.encoders.weights import read_weights
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.encoders import SOURCES, EncoderIdentity, EncoderSource
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings

NAME = "centred-colour"
RECORD = EncoderRecord(
    name=NAME, group="trained here", width=3, licence="none", paper="none", needs_weights=True
)


class CentredColour(nn.Module):
    """The mean colour of a tile, less that of the training spots."""

    def __init__(self, centre):
        super().__init__()
        self.register_buffer("centre", centre)

    def forward(self, image):
        return image.mean(dim=(2, 3)) - self.centre


def save(net, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), path)


def load(path):
    tensors, checksum = read_weights(path)
    return CentredColour(tensors["centre"]), RECORD, checksum


class CentredColourOfFold(EncoderSource):
    """Each fold centres the colour on its own training spots."""

    by_fold = True

    def needs(self):
        return {}

    def identity(self):
        return EncoderIdentity(self.name, None, "centred in each fold")

    def open(self, fold):
        path = self.tiles.cache / "centred" / f"{fold.name}.safetensors"
        windows = self.tiles.windows(fold)
        image = windows.read(np.arange(windows.n_rows)).double() / 255
        save(CentredColour(image.mean(dim=(0, 2, 3)).float()), path)
        return load_encoder(NAME, weights=path)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, NAME, CentredColourOfFold)
    monkeypatch.setitem(TRAINED, NAME, TrainedFormat(save, load))
    inputs = {"tile_px": 32, "mpp": 2.0, "encoder": NAME}
    return tiny_settings(tiny_cohort(tmp_path / "cohort"), models=["ridge"], inputs=inputs)


def test_an_encoder_of_a_third_source_is_benchmarked_trained_saved_and_opened(settings, tmp_path):
    run, out, cache = tmp_path / "run", tmp_path / "out", tmp_path / "cache"
    benchmark(settings=settings, out=run, cache=cache)
    cohort = read_cohort(settings.cohort)
    folds = [fold.name for fold in make_folds(cohort, settings.folds, settings.seed)]
    used = json.loads((run / "card.json").read_text())["encoder"]["used"]
    assert [of["fold"] for of in used] == folds
    assert len({of["weights"] for of in used}) == len(folds)
    assert "centred in each fold" in (run / "encoders.json").read_text()

    predictor = train(settings=settings, out=out, cache=cache, scores=run)
    assert predictor.gene_score_values
    assert (out / "encoder.safetensors").is_file()
    assert f"--weights {NAME}" not in (out / "MODEL_CARD.md").read_text()
    loaded = load_predictor(out)(cohort["P1S1"], tmp_path / "other-cache")
    assert loaded.values.tobytes() == predictor(cohort["P1S1"], cache).values.tobytes()
    assert torch.isfinite(torch.from_numpy(loaded.values)).all()
    assert train(settings=settings, out=out, cache=cache).hash == predictor.hash
