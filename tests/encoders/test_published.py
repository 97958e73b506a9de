"""Every encoder of the list is built with random weights and run once."""

import gc

import pytest
import torch

from histoscribe.encoders.catalog import list_encoders
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.published import read_out

RECORDS = [record for record in list_encoders() if record.needs_weights]


@pytest.fixture
def tile():
    return torch.randint(
        0, 256, (1, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.fixture
def memory():
    """Give a net of 4.5 GB back before the next one is made."""
    yield
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_an_encoder_built_with_random_weights_has_the_width_of_its_record(record, tile, memory):
    encoder = load_encoder(record.name, random_seed=0)
    with torch.inference_mode():
        feature = encoder(tile)
    assert feature.shape == (1, record.width)
    assert feature.dtype == torch.float32
    assert feature.isfinite().all()
    assert feature.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ctranspath", "gigapath-flash", "h0-mini", "lunit-bt"])
def test_features_are_read_as_lazyslide_reads_them(name, tile):
    registry = pytest.importorskip("lazyslide_models").MODEL_REGISTRY
    encoder = load_encoder(name, random_seed=0)
    body = encoder.net.body
    theirs = object.__new__(registry[name])  # its __init__ would download
    theirs.model, theirs.num_prefix_tokens = body, getattr(body, "num_prefix_tokens", 0)
    normal = (tile - encoder.mean) / encoder.std
    torch.testing.assert_close(encoder(tile), theirs.encode_image(normal))


def test_reading_a_net_freezes_it():
    net = torch.nn.Linear(2, 2).train()
    (record,) = [record for record in RECORDS if record.name == "uni"]
    read = read_out(net, record)
    assert not read.body.training
    assert not any(parameter.requires_grad for parameter in read.parameters())
