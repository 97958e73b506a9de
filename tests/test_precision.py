"""Convolutions on a GPU: whole float32 inside, torch as it was outside."""

import pytest
import torch

from histoscribe.encoders.encoder import load_encoder
from histoscribe.precision import whole_convolutions


def test_tf32_is_off_inside_and_as_it_was_outside():
    before = torch.backends.cudnn.allow_tf32
    with whole_convolutions(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_cpu_is_left_alone():
    before = torch.backends.cudnn.allow_tf32
    with whole_convolutions(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_of_a_gpu_are_those_of_a_cpu():
    encoder = load_encoder("torchvision:squeezenet1_0", random_seed=0)
    draws = torch.Generator().manual_seed(0)
    tiles = torch.randint(0, 256, (4, 3, 224, 224), dtype=torch.uint8, generator=draws)
    on_cpu = encoder(tiles)
    on_gpu = encoder.to("cuda")(tiles.to("cuda")).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-5, atol=1e-5 * float(on_cpu.abs().max()))
