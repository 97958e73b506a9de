"""Whitened codes: what distances between windows are made of."""

import pytest
import torch

from histoscribe.encoders.egn_extractor.whitening import FLOOR, Whitening

WIDTH = 8


@pytest.fixture
def codes():
    """Codes of 3,000 windows: correlated, and with variances from 0.01 to 100."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.logspace(-1, 1, WIDTH)
    turn, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))
    return 3 + (torch.randn(3000, WIDTH, generator=generator) * spread) @ turn


def fitted(codes, **given):
    whitening = Whitening(codes.shape[1], codes.shape[1])
    whitening.fit(codes, **given)
    return whitening


def test_before_the_fit_nothing_changes(codes):
    assert torch.equal(Whitening(WIDTH, WIDTH)(codes), codes)


def test_without_a_floor_all_directions_have_unit_variance(codes):
    white = fitted(codes, floor=0.0)(codes)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(WIDTH), atol=1e-4, rtol=0)
    found = torch.cov(white.T, correction=0)
    torch.testing.assert_close(found, torch.eye(WIDTH), atol=1e-3, rtol=0)


def test_noise_is_enlarged_only_up_to_the_floor(codes):
    before = torch.linalg.eigvalsh(torch.cov(codes.T, correction=0))
    after = torch.linalg.eigvalsh(torch.cov(fitted(codes)(codes).T, correction=0))
    expected = before / (before + FLOOR * before.mean())
    torch.testing.assert_close(after, expected, atol=1e-3, rtol=1e-3)


def test_the_unit_of_the_codes_has_no_say(codes):
    one, other = fitted(codes)(codes[:50]), fitted(100 * codes)(100 * codes[:50])
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n_windows", [1, 5])
def test_few_windows_or_equal_ones_give_finite_codes(n_windows):
    alike = torch.ones(n_windows, WIDTH)
    assert torch.equal(fitted(alike)(alike), torch.zeros(n_windows, WIDTH))
    few = torch.randn(n_windows, WIDTH)
    assert fitted(few)(few).isfinite().all()


def test_the_directions_of_largest_variance_are_kept(codes):
    few = Whitening(WIDTH, 3)
    few.fit(codes, floor=0.0)
    white = few(codes)
    assert white.shape == (3000, 3)
    # what is left out of a least-squares fit of the codes is the sum of the smallest variances
    fit = torch.linalg.lstsq(white, codes - codes.mean(dim=0)).solution
    left = (codes - codes.mean(dim=0) - white @ fit).square().mean(dim=0).sum()
    variances = torch.linalg.eigvalsh(torch.cov(codes.T, correction=0))
    torch.testing.assert_close(left, variances[:5].sum(), rtol=1e-3, atol=1e-3)


def test_few_windows_have_the_directions_that_the_full_covariance_has():
    """Fewer windows than numbers: their products are used, with the same result."""
    few = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    whitening = Whitening(50, 8)
    whitening.fit(few, floor=0.0)
    white = whitening(few)
    torch.testing.assert_close(torch.cov(white.T, correction=0), torch.eye(8), atol=1e-4, rtol=0)
    variance = torch.linalg.eigvalsh(torch.cov(few.T, correction=0))[-8:]
    along = whitening.matrix.norm(dim=0)
    torch.testing.assert_close(along, variance.rsqrt(), rtol=1e-4, atol=1e-5)
    more = Whitening(50, 40)
    more.fit(few)
    assert more(few)[:, 20:].eq(0).all()
