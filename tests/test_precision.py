"""Precision: whole float32, and bfloat16 only on a GPU that gives the same values in it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from histoscribe.device import CPU
from histoscribe.encoders.encoder import load_encoder
from histoscribe.precision import arithmetic, least_cosine, mixed, offered, whole_convolutions
from histoscribe.predictor import forward
from histoscribe.predictor.forward import agreed_precision, predict_items
from tests.contracts.fitting import fitted
from tests.contracts.tables import planted_table, queries_of

CARD = torch.device("cuda")


def test_tf32_is_off_inside_and_as_it_was_outside():
    before = torch.backends.cudnn.allow_tf32
    with whole_convolutions(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_cpu_is_left_alone():
    before = torch.backends.cudnn.allow_tf32
    with whole_convolutions(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before


def test_bfloat16_is_offered_by_a_gpu_that_has_it_and_never_by_a_cpu(monkeypatch):
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert offered("bfloat16", CARD) == ("bfloat16" if has else "float32")
        assert offered("float32", CARD) == "float32"
    assert offered("bfloat16", CPU) == "float32"


def test_the_least_cosine_is_that_of_the_worst_item_and_nan_of_no_number():
    full = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    other = {"float32": full, "bfloat16": torch.tensor([[2.0, 0.0], [1.0, 0.0]])}
    assert least_cosine(lambda kind: other[kind]) == pytest.approx(0.5**0.5)
    other["bfloat16"][1] = torch.nan
    assert not least_cosine(lambda kind: other[kind]) > 0.5


def test_mixed_precision_is_that_of_its_block():
    for kind, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with mixed(CPU, kind):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(("alike", "expected"), [(0.9999, "bfloat16"), (0.99, "float32")])
def test_a_network_of_tiles_takes_bfloat16_where_its_values_agree(
    tmp_path, monkeypatch, alike, expected
):
    made = fitted("vit", tmp_path, planted_table(n_spots=40), epochs=1)
    items = made.items(queries_of(planted_table(1)))
    rows = np.arange(len(items))
    assert agreed_precision(made.model, items, rows, "bfloat16") == "float32"  # of a CPU
    monkeypatch.setattr(forward, "offered", lambda precision, device: precision)
    monkeypatch.setattr(
        forward, "least_cosine", lambda compute: compute("bfloat16") is None or alike
    )
    assert agreed_precision(made.model, items, rows, "bfloat16") == expected
    assert agreed_precision(made.model, items, rows, "float32") == "float32"
    full, half = (
        predict_items(made.model, items, rows, k).expression for k in ("float32", expected)
    )
    assert np.array_equal(full, half) == (expected == "float32")
    np.testing.assert_allclose(half, full, atol=0.05)


@pytest.mark.parametrize(("error", "expected"), [(0.001, "bfloat16"), (0.5, "float32")])
def test_values_agree_by_their_differences_and_not_by_the_means_of_genes(
    tmp_path, monkeypatch, error, expected
):
    made = fitted("vit", tmp_path, planted_table(n_spots=40), epochs=1)
    items = made.items(queries_of(planted_table(1)))
    rows = np.arange(len(items))
    draw = np.random.default_rng(0)
    whole = draw.normal(0, 1, (len(rows), 20)).astype(np.float32) + 100
    half = whole + error * draw.normal(0, 1, whole.shape).astype(np.float32)

    def values(model, items, rows, precision="float32"):
        return SimpleNamespace(expression=half if precision == "bfloat16" else whole)

    monkeypatch.setattr(forward, "offered", lambda precision, device: precision)
    monkeypatch.setattr(forward, "predict_items", values)
    assert agreed_precision(made.model, items, rows, "bfloat16") == expected


def test_cards_say_how_values_are_computed():
    for kind in ("float32", "bfloat16"):
        assert "torch's highest" in arithmetic(kind)
        assert arithmetic(kind).startswith("bfloat16") == (kind == "bfloat16")
    assert "predictions" in arithmetic("bfloat16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_of_a_gpu_are_those_of_a_cpu():
    encoder = load_encoder("torchvision:squeezenet1_0", random_seed=0)
    draws = torch.Generator().manual_seed(0)
    tiles = torch.randint(0, 256, (4, 3, 224, 224), dtype=torch.uint8, generator=draws)
    on_cpu = encoder(tiles)
    on_gpu = encoder.to("cuda")(tiles.to("cuda")).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-5, atol=1e-5 * float(on_cpu.abs().max()))
