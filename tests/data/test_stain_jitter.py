"""HED jitter: stains move by what was drawn, and nothing else does."""

import numpy as np
import pytest
import torch
from skimage.color import hed_from_rgb, rgb_from_hed

from histoscribe.data.features import embed, features
from histoscribe.data.jitter import HedJitter, hed_jitter
from histoscribe.data.tiles import Tiles, tile_batches
from histoscribe.encoders.encoder import load_encoder

TILES = Tiles(64, 2.0)
ONES, ZEROS = torch.ones(1, 3), torch.zeros(1, 3)


def stains(image):
    """Haematoxylin, eosin and DAB of [B, 3, P, P], last axis."""
    density = -np.log10((image.permute(0, 2, 3, 1).numpy() + 1.0) / 256)
    return density @ hed_from_rgb


def stained(amounts):
    """A tile of these stains, [P, P, 3]."""
    colour = 256 * 10 ** -(np.asarray(amounts) @ rgb_from_hed) - 1
    return torch.from_numpy(np.rint(colour).astype(np.uint8)).permute(2, 0, 1)[None]


def he_tile():
    amounts = np.random.default_rng(0).uniform((0.05, 0.05, 0.0), (0.5, 0.4, 0.05), (32, 32, 3))
    return stained(amounts)


def test_no_jitter_changes_no_pixel():
    tiles = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (4, 3, 20, 20), dtype=np.uint8)
    )
    same = hed_jitter(tiles, ONES.expand(4, 3), ZEROS.expand(4, 3))
    assert torch.equal(same, tiles)


def test_white_stays_white_and_black_is_no_trouble():
    tiles = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    tiles[..., :2] = 0
    moved = hed_jitter(tiles, 1.2 * ONES, 0.1 * torch.ones(1, 3))
    assert (moved[..., 2:] == 255).all()
    assert (moved[..., :2] == 0).all()


@pytest.mark.parametrize("stain", [0, 1, 2])
@pytest.mark.parametrize(("alpha", "beta"), [(1.2, 0.0), (0.9, 0.0), (1.0, 0.05)])
def test_moving_one_stain_moves_that_stain_only(stain, alpha, beta):
    tiles = he_tile()
    factors, shifts = ONES.clone(), ZEROS.clone()
    factors[0, stain], shifts[0, stain] = alpha, beta
    before, after = stains(tiles), stains(hed_jitter(tiles, factors, shifts))
    expected = before.copy()
    expected[..., stain] = alpha * before[..., stain] + beta
    assert np.abs(after - expected).max() < 0.02  # half a grey value of dark pixels
    assert np.abs(after - before)[..., stain].mean() > 0.0005


def test_each_tile_of_a_batch_has_its_own_jitter():
    tiles = he_tile().expand(3, -1, -1, -1).contiguous()
    alpha = torch.tensor([[1.0, 1.0, 1.0], [1.2, 1.0, 1.0], [1.0, 0.8, 1.0]])
    together = hed_jitter(tiles, alpha, torch.zeros(3, 3))
    for one in range(3):
        alone = hed_jitter(tiles[one : one + 1], alpha[one : one + 1], ZEROS)
        assert (together[one].int() - alone[0].int()).abs().max() <= 1
    assert len({tile.numpy().tobytes() for tile in together}) == 3


def test_draws_lie_within_the_strength_and_are_those_of_the_name():
    alpha, beta = HedJitter(0.05, 0, "hed-B4-1").draw(2000)
    assert alpha.shape == beta.shape == (2000, 3)
    assert 0.045 < (alpha - 1).abs().max() <= 0.05 + 1e-6
    assert 0.045 < beta.abs().max() <= 0.05 + 1e-6
    assert (alpha - 1).mean().abs() < 0.003
    again, _ = HedJitter(0.05, 0, "hed-B4-1").draw(2000)
    assert torch.equal(alpha, again)
    for other in (HedJitter(0.05, 0, "hed-B4-2"), HedJitter(0.05, 1, "hed-B4-1")):
        assert not torch.equal(alpha, other.draw(2000)[0])


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.0])
def test_a_strength_that_is_none_or_turns_a_stain_over_is_refused(strength):
    with pytest.raises(ValueError, match="between 0 and 1"):
        HedJitter(strength, 0, "hed-B4-1")


def test_a_spot_is_jittered_the_same_whichever_batch_it_is_read_in(draw_tissue, make_section):
    section = make_section(draw_tissue(side_px=620)[0], n_across=6)
    tiles = Tiles(64, 2.0, jitter=HedJitter(0.05, 0, "hed-one-1"))
    order = np.random.default_rng(0).permutation(20)
    (straight,) = tile_batches(section, tiles, [np.arange(20)])
    mixed = torch.cat(list(tile_batches(section, tiles, [order[:7], order[7:]])))
    assert (mixed.int() - straight[torch.from_numpy(order)].int()).abs().max() <= 1
    (plain,) = tile_batches(section, TILES, [np.arange(20)])
    assert not torch.equal(plain, straight)


def test_each_view_has_its_own_features_in_the_cache(draw_tissue, make_section, tmp_path):
    section = make_section(draw_tissue(side_px=620)[0], n_across=6)
    encoder = load_encoder("mean_colour")
    jitters = [None, *(HedJitter(s, 0, f"hed-one-{v}") for s in (0.05, 0.1) for v in (1, 2))]
    views = [Tiles(64, 2.0, jitter=jitter) for jitter in jitters]
    made = [embed(section, encoder, tiles, cache=tmp_path) for tiles in views]
    assert len({one.path for one in made}) == 5
    assert len({one.values.tobytes() for one in made}) == 5
    again = features(section, encoder, views[3], cache=tmp_path)
    assert np.array_equal(again, made[3].values)
