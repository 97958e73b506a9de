"""Changes of tiles do what their name says, and changes of pixels stay inside their limits."""

import numpy as np
import pytest
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.data.tiles import Tiles
from histoscribe.explain.robust.changes import CHANGES
from histoscribe.explain.robust.pixel_steps import along_gradient, at_random, has_pixel_gradient
from tests.explain.concepts.painted import painted_section
from tests.explain.where.planted_region import planted_section

ROWS = np.array([3, 0, 5])


@pytest.fixture(scope="module")
def section():
    return painted_section("New0", 0)


@pytest.fixture(scope="module")
def tiles():
    return Tiles(24, 1.0, white_off_tissue=False)


@pytest.fixture(scope="module")
def images(section, tiles):
    return SlideTiles(section, tiles)


@pytest.fixture
def changed(section, tiles, images):
    def change(name, step):
        (kind,) = (of for of in CHANGES if of.name == name)
        return kind.make(section, tiles, images, step).read(ROWS)

    return change


def test_a_turn_by_a_quarter_is_exact(changed, images):
    assert torch.equal(changed("rotation", 90.0), images.read(ROWS).rot90(1, dims=(2, 3)))
    assert torch.equal(changed("rotation", 180.0), images.read(ROWS).flip((2, 3)))


def test_corners_of_a_turned_tile_are_read_from_the_slide(changed, images):
    turned = changed("rotation", 45.0).float()
    assert turned.shape == (3, 3, 24, 24)
    corners = turned[..., :3, :3].mean(dim=(2, 3))
    mean = images.read(ROWS).float().mean(dim=(2, 3))
    assert (corners - mean).abs().max() < 60  # the mean colour of ImageNet is greener by 80


def test_stain_of_a_slide_is_one_change_and_that_of_tiles_one_for_each(section, tiles):
    image = torch.full((3, 3, 8, 8), 150, dtype=torch.uint8)
    by_name = {of.name: of for of in CHANGES}
    for name, alike in (("slide-stain", True), ("tile-stain", False)):
        read = by_name[name].make(section, tiles, _Same(image), 0.2).read(ROWS)
        assert torch.equal(read[0], read[1]) is alike
        again = by_name[name].make(section, tiles, _Same(image), 0.2).read(ROWS[::-1].copy())
        assert torch.equal(read, again.flip(0))


def test_stronger_blur_and_compression_take_more_away(changed, images):
    own = images.read(ROWS).float()
    for name, steps in (("blur", (0.5, 2.0, 5.0)), ("compression", (95.0, 60.0, 10.0))):
        errors = [(changed(name, step).float() - own).square().mean() for step in steps]
        assert errors == sorted(errors)
        assert errors[0] > 0


def test_pure_white_stays_white(section, tiles):
    image = torch.full((3, 3, 16, 16), 120, dtype=torch.uint8)
    image[..., :6] = 255
    image[..., 6:8] = 20
    for change in CHANGES:
        if change.name in ("tile-stain", "slide-stain", "blur", "compression"):
            step = 40.0 if change.falls else 0.5
            read = change.make(section, tiles, _Same(image), step).read(ROWS)
            assert (read[..., :6] == 255).all(), change.name
            assert not torch.equal(read, image), change.name


def test_a_coarser_reading_shows_more_tissue():
    section = planted_section(0, seed=0, fold=1.0)
    tiles = Tiles(16, 4.0, white_off_tissue=False)
    images, (xy,) = SlideTiles(section, tiles), section.spots.xy[:1]
    by_name = {of.name: of for of in CHANGES}
    row = np.array([0])
    for name, mpp in (("coarser", 8.0), ("finer", 2.0)):
        read = by_name[name].make(section, tiles, images, 2.0).read(row)[0]
        expected = section.slide.read(tuple(xy), 16, mpp)
        assert np.array_equal(read.permute(1, 2, 0).numpy(), expected)


class _Same(SlideTiles):
    """Gives the same tiles, whatever is asked for."""

    def __init__(self, image):
        self.side_px, self._image = image.shape[-1], image

    def read(self, rows):
        return self._image[: len(rows)]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_changes_of_pixels_are_whole_and_inside_their_limits(size):
    rng = np.random.default_rng(size)
    image = torch.from_numpy(rng.integers(0, 256, (5, 3, 9, 9), dtype=np.uint8))
    image[:, :, 0] = 255
    image[:, :, 1] = 0
    weights = torch.from_numpy(rng.normal(size=(2, 3, 9, 9)).astype(np.float32))

    def curved(pixels):
        return torch.tanh(torch.einsum("bchw,gchw->bg", pixels - 128, weights) / 1000)

    along = along_gradient(curved, image, np.ones(2), size, np.random.default_rng(0))
    for moved in (along, at_random(image, size, np.random.default_rng(0))):
        assert moved.dtype == torch.uint8
        assert (moved.int() - image.int()).abs().max() == size
        assert (moved[:, :, 0] == 255).all()
        assert (moved[:, :, 1] >= image[:, :, 1]).all()


def test_the_gradient_of_a_linear_function_reaches_the_largest_change():
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(10, 240, (6, 3, 8, 8), dtype=np.uint8))
    weights = torch.from_numpy(rng.normal(size=(1, 3, 8, 8)).astype(np.float32))

    def linear(pixels):
        return torch.einsum("bchw,gchw->bg", pixels, weights)

    for size in (1, 2, 4):
        moved = along_gradient(linear, image, np.ones(1), size, np.random.default_rng(1))
        change = (linear(moved.float()) - linear(image.float())).abs()
        most = size * weights.abs().sum()
        torch.testing.assert_close(change, most.expand(6, 1), rtol=1e-4, atol=0)
        noise = at_random(image, size, np.random.default_rng(1))
        assert ((linear(noise.float()) - linear(image.float())).abs() < 0.5 * most).all()


def test_a_gene_without_spread_draws_no_gradient():
    image = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)

    def two(pixels):
        return torch.stack([pixels.sum(dim=(1, 2, 3)), -pixels[:, 0].sum(dim=(1, 2))], dim=1)

    only_first = along_gradient(two, image, np.array([1.0, np.inf]), 2, np.random.default_rng(0))
    change = (only_first.int() - 100).sum(dim=(1, 2, 3)).abs()
    assert (change == 2 * 48).all()


def test_a_prediction_without_gradient_is_noticed():
    image = torch.full((1, 3, 4, 4), 100, dtype=torch.uint8)
    assert has_pixel_gradient(lambda pixels: pixels.mean(dim=(2, 3)), image)
    assert has_pixel_gradient(lambda pixels: 0 * pixels.mean(dim=(2, 3)), image)
    assert not has_pixel_gradient(lambda pixels: pixels.detach().mean(dim=(2, 3)), image)
