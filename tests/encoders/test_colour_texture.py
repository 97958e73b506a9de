"""The encoders without weights see what they say they see."""

import numpy as np
import pytest
import torch

from histoscribe.encoders.colour_texture import ColourTexture
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.spectrum import RingSpectrum
from tests.device_waits import DeviceWaits

SIDE = 128
PINK, BLUE = np.array([236, 190, 214.0]), np.array([92, 70, 140.0])


def draw(centres, radius=4.0):
    """A pink tile with blue discs."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    inside = np.zeros((SIDE, SIDE))
    for cx, cy in centres:
        inside = np.maximum(inside, np.clip(radius + 0.5 - np.hypot(x - cx, y - cy), 0, 1))
    image = PINK + inside[..., None] * (BLUE - PINK)
    return torch.from_numpy(image).permute(2, 0, 1)[None].round().to(torch.uint8)


def lattice(n_across=6, jitter=0.0, seed=0):
    step = SIDE / n_across
    grid = (np.stack(np.meshgrid(*[np.arange(n_across)] * 2), -1).reshape(-1, 2) + 0.5) * step
    return grid + np.random.default_rng(seed).normal(0, jitter, grid.shape)


def clusters(seed):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [middle + lattice(3)[:, ::-1] / SIDE * 30 - 15 for middle in rng.uniform(25, 103, (4, 2))]
    )


def low_waves(feature):
    """Structure factor of nuclei in its two lowest rings, at the scale that finds them best."""
    points = feature[0, -54:].reshape(3, 18)
    return points[1, 6:8].mean().item()


@pytest.mark.parametrize("seed", range(3))
def test_equal_numbers_in_another_pattern_give_another_structure_factor(seed):
    encoder = load_encoder("colour_texture")
    uniform = np.random.default_rng(seed).uniform(8, SIDE - 8, (36, 2))
    regular, strewn, clustered = (
        low_waves(encoder(draw(centres)))
        for centres in (lattice(jitter=1.0, seed=seed), uniform, clusters(seed))
    )
    assert regular < strewn < clustered


def test_more_nuclei_are_seen_as_more():
    encoder = load_encoder("colour_texture")
    crowd = [encoder(draw(lattice(n)))[0, -36].item() for n in (3, 5, 7, 9)]
    assert crowd == sorted(crowd)
    assert crowd[0] > 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_and_mirroring_a_tile_change_nothing(turns):
    encoder = load_encoder("colour_texture")
    tile = draw(clusters(3))
    turned = torch.rot90(tile, turns, (2, 3)).flip(3)
    torch.testing.assert_close(encoder(turned), encoder(tile), rtol=2e-3, atol=2e-3)


def test_aligned_fibres_are_seen_as_aligned():
    encoder = load_encoder("colour_texture")
    y, x = np.mgrid[:SIDE, :SIDE]
    stripes = np.sin(2 * np.pi * (0.6 * x + 0.8 * y) / 16)[..., None]
    checks = (np.sin(2 * np.pi * x / 16) * np.sin(2 * np.pi * y / 16))[..., None]
    common = [
        encoder(torch.from_numpy(PINK + 15 * wave).permute(2, 0, 1)[None].to(torch.uint8))
        for wave in (stripes, checks)
    ]
    # haematoxylin's common orientation at 2 px: behind 32 colours, 8 textures, 2 strengths
    aligned, crossed = (feature[0, 32 + 8 + 2].item() for feature in common)
    assert aligned > 0.95
    assert crossed < 0.05


def test_points_strewn_at_random_have_a_structure_factor_of_one():
    rings = RingSpectrum(n_rings=8, n_turned=4)
    rng = np.random.default_rng(0)
    maps = torch.zeros(200, 1, 64, 64)
    for tile in maps:
        tile[0, rng.integers(0, 64, 100), rng.integers(0, 64, 100)] = 1.0
    ring = rings(maps, maps.square().sum(dim=(1, 2, 3)))[:, :8]
    mean = (10**ring).mean(dim=0)
    torch.testing.assert_close(mean, torch.ones(8), rtol=0.1, atol=0.1)


def test_one_wave_prefers_one_direction():
    rings = RingSpectrum(n_rings=8, n_turned=4)
    wave = torch.sin(2 * torch.pi * torch.arange(64) * 3 / 64).expand(64, 64)[None, None]
    turned = rings(wave, None)[0, 8:]
    assert turned.max() > 0.99


def test_mean_colour_is_that_of_the_tissue():
    tile = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    tile[0, :, :10] = torch.tensor([200, 100, 150], dtype=torch.uint8)[:, None, None]
    feature = load_encoder("mean_colour")(tile)
    torch.testing.assert_close(feature * 255, torch.tensor([[200.0, 100.0, 150.0]]))


def test_a_tile_too_small_for_its_scales_is_refused():
    with pytest.raises(ValueError, match="64 px"):
        ColourTexture()(torch.zeros(1, 3, 48, 48))


def test_a_tile_lets_no_gpu_wait_once_its_tables_are_made():
    encoder, tile = load_encoder("colour_texture"), draw([(40, 40)])
    encoder(tile)
    with DeviceWaits() as waits:
        encoder(tile)
    assert waits.names == []
