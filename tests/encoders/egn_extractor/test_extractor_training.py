"""Training the extractor: its losses, its bits, and what it may see."""

import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.encoders.egn_extractor import training as module
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.encoders.egn_extractor.step import (
    Adversaries,
    Losses,
    in_unit,
    kept_share,
    r1_penalty,
)
from histoscribe.encoders.egn_extractor.symmetry import turned
from histoscribe.encoders.egn_extractor.training import (
    CHECKPOINT,
    ExtractorTraining,
    Windows,
    extractor_file,
    fit_extractor,
    trained_extractor,
)
from histoscribe.errors import DataContractError
from tests.device_waits import DeviceWaits

TINY = ExtractorSettings(
    width=16,
    full_width_px=8,
    encoder_channels=2,
    batch_size=4,
    steps=6,
    checkpoint_steps=2,
    r1_every=3,
)


NO_LOSSES = Losses(*torch.zeros(4))


class Squared:
    """A distance without weights, in the place of LPIPS."""

    name, source = "squared", "none"

    def __call__(self, image, other):
        return ((image - other.float()) / 255).square().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def pool():
    """Blobs of two colours, on a coarse grid: something that a code can hold."""
    rng = np.random.default_rng(0)
    coarse = rng.choice([70, 220], size=(24, 3, 4, 4)).astype(np.uint8)
    return torch.from_numpy(coarse.repeat(16, axis=2).repeat(16, axis=3))


@pytest.fixture
def windows(pool):
    return Windows(lambda rows: pool[torch.from_numpy(rows)], len(pool), 64, "blobs")


def fitted(windows, folder, settings=TINY, seed=0):
    return fit_extractor(
        windows, settings, perceptual=Squared(), seed=seed, resume=folder, device="cpu"
    )


def equal(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_a_step_takes_no_number_to_the_device(windows, pool):
    training = ExtractorTraining(windows, TINY, perceptual=Squared(), seed=0, device="cpu")
    training.advance()  # kernels are made
    with DeviceWaits() as waits:
        training.nets.step(pool[:4], 1)
    # Adam reads its number of steps, which lies on the CPU
    assert waits.names == ["aten._local_scalar_dense.default"]


def test_one_seed_gives_one_extractor(windows, tmp_path):
    first = fitted(windows, tmp_path / "a")
    torch.manual_seed(123)  # what others draw has no say
    assert equal(first, fitted(windows, tmp_path / "b"))
    assert not equal(first, fitted(windows, tmp_path / "c", seed=1))


def test_training_draws_nothing_from_others(windows, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fitted(windows, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


class KilledError(Exception):
    """Stands for the power cut."""


def test_a_killed_training_goes_on_to_the_same_bits(windows, tmp_path):
    whole = fitted(windows, tmp_path / "whole")
    calls = []

    def read(rows):
        calls.append(rows)
        if len(calls) == 4:
            raise KilledError
        return windows.read(rows)

    dying = Windows(read, windows.n_rows, windows.side_px, windows.identity)
    with pytest.raises(KilledError):
        fitted(dying, tmp_path / "part")
    assert equal(whole, fitted(dying, tmp_path / "part"))
    # three steps, one of them lost with the kill; then steps 2 to 5, and 24 windows to whiten by
    assert len(calls) == 4 + 4 + 6


def test_codes_are_whitened_by_the_training_windows(windows, tmp_path):
    net = fitted(windows, tmp_path)
    image = in_unit(windows.read(np.arange(windows.n_rows)))
    raw, white = net.raw_features(image), net(image)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(128), atol=1e-3, rtol=0)

    def largest_share(codes):
        variance = torch.linalg.eigvalsh(torch.cov(codes.T))
        return (variance[-1] / variance.sum()).item()

    assert largest_share(white) < 0.5 * largest_share(raw)


def test_either_code_is_whitened_and_a_wide_one_is_cut(windows):
    wide = TINY.model_copy(update={"encoder_channels": 12})  # 2 * 264 numbers, and 24 * 23 / 2
    training = ExtractorTraining(windows, wide, perceptual=Squared(), seed=0, device="cpu")
    image = in_unit(windows.read(np.arange(4)))
    pooled, style = training.whitened_encoders(("pooled", "style"))
    assert pooled.raw_features(image).shape == (4, 528 + 276)
    assert pooled(image).shape == style(image).shape == (4, 128)
    alone = training.whitened_encoders(("style",))[0]
    assert torch.equal(alone(image), style(image))
    of_pooled, of_style = pooled.readings(image, ("pooled", "style"))
    assert torch.equal(of_pooled, pooled.raw_features(image))
    assert torch.equal(of_style, style.raw_features(image))


def test_every_window_is_seen_once_in_a_pass(windows, tmp_path):
    seen = []

    def read(rows):
        seen.extend(rows.tolist())
        return windows.read(rows)

    fitted(Windows(read, 12, 64, "few"), tmp_path)
    assert sorted(seen[:12]) == sorted(seen[12:24]) == list(range(12))
    assert seen[:12] != seen[12:24]


def test_every_window_comes_in_all_eight_symmetries(windows, monkeypatch):
    training = ExtractorTraining(windows, TINY, perceptual=Squared(), seed=0, device="cpu")
    given = []
    monkeypatch.setattr(training.nets, "step", lambda image, _: given.append(image) or NO_LOSSES)
    for _ in range(40 * windows.n_rows // TINY.batch_size):
        training.advance()
    whole = turned(windows.read(np.zeros(8, dtype=int)), np.arange(8))
    counts = [(torch.cat(given) == of).all(dim=(1, 2, 3)).sum().item() for of in whole]
    assert len(counts) == 8
    assert sum(counts) == 40
    assert min(counts) > 0


def test_a_batch_may_hold_more_than_there_are_windows(windows, tmp_path):
    few = Windows(windows.read, 3, 64, "three")
    training = ExtractorTraining(few, TINY, perceptual=Squared(), seed=0, device="cpu")
    for _ in range(3):
        training.advance()
    assert training.n_steps == 3


def test_nothing_but_training_windows_decides_the_codes(pool, windows, tmp_path):
    """The rows that a fold does not train on may change as they like."""
    changed = pool.clone()
    changed[12:] = 255 - changed[12:]
    few = [
        Windows(lambda rows, of=of: of[torch.from_numpy(rows)], 12, 64, "train")
        for of in (pool, changed)
    ]
    assert equal(fitted(few[0], tmp_path / "a"), fitted(few[1], tmp_path / "b"))


@pytest.mark.slow
def test_some_steps_lower_the_error(windows):
    settings = TINY.model_copy(update={"batch_size": 8, "ema_windows": 100})
    training = ExtractorTraining(windows, settings, perceptual=Squared(), seed=0, device="cpu")
    real = in_unit(windows.read(np.arange(windows.n_rows)))

    def error():
        with torch.no_grad():
            made = training.nets.average_generator(training.nets.average_encoder.style(real))
        return (made - real).abs().mean().item()

    before = error()
    for _ in range(60):
        training.advance()
    flat = (real - real.mean(dim=(0, 2, 3), keepdim=True)).abs().mean().item()
    assert error() < min(before, flat)


def test_r1_is_the_squared_slope_by_hand():
    """A score a.x + x.x / 2 has the slope a + x."""

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(torch.tensor([1.0, -2.0, 0.5])[:, None, None])

        def forward(self, image):
            return (self.a * image + image.square() / 2).sum(dim=(1, 2, 3))

    score, image = Score(), torch.randn(4, 3, 2, 2)
    slope = score.a + image
    expected = 10 / 2 * slope.square().sum(dim=(1, 2, 3)).mean()
    penalty = r1_penalty(score, image, 10.0)
    torch.testing.assert_close(penalty, expected)
    penalty.backward()  # and it can be lowered: its own slope by a is 10 * the sum of slopes
    by_hand = 10 * slope.sum(dim=(2, 3)).mean(dim=0)[:, None, None]
    torch.testing.assert_close(score.a.grad, by_hand)


def test_half_is_left_of_an_average_after_its_half_life():
    late = 10**7
    assert kept_share(32, late, 10_000) ** (10_000 / 32) == pytest.approx(0.5)
    assert kept_share(8, late, 10_000) ** (10_000 / 8) == pytest.approx(0.5)
    assert kept_share(32, 32, 10_000) < 1e-6  # nothing is left of the random start


def test_only_the_judge_is_pushed_by_the_judges_loss(windows):
    """E and G learn by their own loss alone, and F by its own alone."""
    nets = Adversaries(TINY.nets(64), TINY, Squared(), "cpu", seed=0)
    alone = Adversaries(TINY.nets(64), TINY, Squared(), "cpu", seed=0)
    for name in ("encoder", "generator", "discriminator"):
        getattr(alone, name).load_state_dict(getattr(nets, name).state_dict())
    image = windows.read(np.arange(4))
    nets.step(image, 0)
    real = in_unit(image)
    made = alone.generator(alone.encoder.style(real)).detach()
    score = alone.discriminator
    softplus = nn.functional.softplus
    lazy = 3 / 4
    judge = torch.optim.Adam(score.parameters(), lr=2e-3 * lazy, betas=(0.0, 0.99**lazy))
    for loss in (
        lambda: (softplus(-score(real)) + softplus(score(made))).mean(),
        lambda: 3 * r1_penalty(score, real, 1.0),
    ):
        judge.zero_grad()
        loss().backward()
        judge.step()
    assert equal(score, nets.discriminator)


def test_a_loss_that_is_no_number_stops_with_advice(windows, tmp_path):
    class Broken(Squared):
        def __call__(self, image, other):
            return super().__call__(image, other) / 0

    with pytest.raises(DataContractError, match="learning_rate"):
        fit_extractor(windows, TINY, perceptual=Broken(), seed=0, resume=tmp_path, device="cpu")


def test_windows_of_another_side_and_no_windows_are_refused_together(windows, tmp_path):
    with pytest.raises(DataContractError) as error:
        fitted(Windows(windows.read, 0, 224, "odd"), tmp_path)
    assert "224 px" in str(error.value)
    assert len(error.value.problems) == 2


def test_an_extractor_is_trained_once_and_then_read(windows, tmp_path, monkeypatch):
    given = {"perceptual": Squared(), "seed": 0, "cache": tmp_path, "device": "cpu"}
    first = trained_extractor(windows, TINY, **given)
    path = extractor_file(windows, TINY, **given)
    assert path.is_file()
    assert not (path.parent / CHECKPOINT).exists()
    monkeypatch.setattr(module, "fit_extractor", None)  # would fail if it were called
    again = trained_extractor(windows, TINY, **given)
    assert again.identity == first.identity
    image = windows.read(np.arange(2))
    assert torch.equal(again(image), first(image))


def test_all_that_decides_the_weights_names_the_file(windows, tmp_path):
    class Other(Squared):
        source = "sha256:other"

    given = {"perceptual": Squared(), "seed": 0, "cache": tmp_path, "device": "cpu"}
    variants = [
        extractor_file(windows, TINY, **given),
        extractor_file(windows, TINY, **{**given, "seed": 1}),
        extractor_file(windows, TINY, **{**given, "perceptual": Other()}),
        extractor_file(windows, TINY.model_copy(update={"steps": 7}), **given),
        extractor_file(Windows(windows.read, 23, 64, "blobs"), TINY, **given),
        extractor_file(Windows(windows.read, 24, 64, "other"), TINY, **given),
        extractor_file(windows, TINY, **{**given, "device": "cuda"}),
    ]
    assert len(set(variants)) == len(variants)
    # how often it is saved on the way decides nothing
    often = TINY.model_copy(update={"checkpoint_steps": 1})
    assert extractor_file(windows, often, **given) == variants[0]


def test_a_cache_is_never_half_an_extractor(windows, tmp_path):
    given = {"perceptual": Squared(), "seed": 0, "cache": tmp_path, "device": "cpu"}

    def read(rows):
        raise KilledError

    dying = Windows(read, windows.n_rows, 64, windows.identity)
    with pytest.raises(KilledError):
        trained_extractor(dying, TINY, **given)
    assert not extractor_file(windows, TINY, **given).exists()
