"""What the discriminator sees is changed as its paper says, and by named draws alone."""

import math

import pytest
import torch

from histoscribe.encoders.egn_extractor.augment import (
    _CHANGES,
    AdaptiveAugmentation,
    _Draws,
    moved,
    recoloured,
)


@pytest.fixture
def image():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def at(probability, seed=0):
    made = AdaptiveAugmentation(seed)
    made.probability.fill_(probability)
    return made


def placing(matrix):
    return torch.tensor(matrix)[None].expand(3, -1, -1)


def test_nothing_is_changed_at_the_start(image):
    torch.testing.assert_close(at(0.0)(image, "any"), image, rtol=0, atol=1e-5)


def test_every_window_is_changed_at_probability_1_and_by_its_draws_alone(image):
    changed = at(1.0)(image, "a")
    assert ((changed - image).abs().mean(dim=(1, 2, 3)) > 0.05).all()
    assert torch.equal(at(1.0)(image, "a"), changed)
    assert not torch.equal(at(1.0)(image, "b"), changed)
    assert not torch.equal(at(1.0, seed=1)(image, "a"), changed)


def test_a_window_is_moved_turned_and_mirrored_exactly(image):
    same = [[1.0, 0, 0], [0, 1, 0]]
    torch.testing.assert_close(moved(image, placing(same)), image, rtol=0, atol=1e-5)
    mirrored = moved(image, placing([[-1.0, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(mirrored, image.flip(-1), rtol=0, atol=1e-5)
    turned = moved(image, placing([[0.0, -1, 0], [1, 0, 0]]))
    torch.testing.assert_close(turned, image.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    right = moved(image, placing([[1.0, 0, 0.25], [0, 1, 0]]))  # 2 of 16 px; mirrored outside
    torch.testing.assert_close(right[..., :14], image[..., 2:], rtol=0, atol=1e-5)
    torch.testing.assert_close(right[..., 14:], image[..., 14:].flip(-1), rtol=0, atol=1e-5)


def test_places_in_between_are_read_bilinearly():
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    shifted = moved(ramp, torch.tensor([[[1.0, 0, 0.125], [0, 1, 0]]]))  # half a px
    torch.testing.assert_close(shifted[..., :7], ramp[..., :7] + 0.5)


def test_colours_are_mixed_by_a_matrix():
    image = torch.tensor([0.1, 0.2, 0.3])[None, :, None, None].expand(1, 3, 2, 2)
    mixed = recoloured(image, torch.tensor([[[0.0, 1, 0, 0.5], [2, 0, 0, 0], [0, 0, 1, 0]]]))
    expected = torch.tensor([0.7, 0.2, 0.3])
    torch.testing.assert_close(mixed[0, :, 0, 0], expected)


def only(*names, n=500, seed=0):
    """Draws of windows that have these changes and no other."""
    random = torch.Generator().manual_seed(seed)
    gate = torch.ones(n, len(_CHANGES), 1)
    gate[:, [_CHANGES.index(name) for name in names]] = 0
    uniform = torch.rand(n, len(_CHANGES), 2, generator=random)
    normal = torch.randn(uniform.shape, generator=random)
    return _Draws(torch.tensor(1.0), gate, uniform, normal)


def normal(draws, name):
    return draws.normal[:, _CHANGES.index(name), 0]


def test_a_window_is_scaled_by_powers_of_2():
    draws = only("scale")
    sizes = torch.linalg.svdvals(draws.placing(16)[:, :, :2])
    expected = torch.exp2(0.2 * normal(draws, "scale"))[:, None].expand(-1, 2)
    torch.testing.assert_close(sizes, expected)


def test_a_stretch_has_any_direction_and_keeps_the_area():
    draws = only("turn", "stretch", "turn_again")
    outer, sizes, axes = torch.linalg.svd(draws.placing(16)[:, :, :2])
    torch.testing.assert_close(sizes.prod(dim=1), torch.ones(500))
    torch.testing.assert_close(sizes[:, 0], torch.exp2(0.2 * normal(draws, "stretch").abs()))
    for axis in (axes[:, 0], outer[:, :, 0]):  # in the window that is made, and in the one read
        angle = torch.rad2deg(torch.atan2(axis[:, 1], axis[:, 0])).remainder(90)
        assert ((angle > 30) & (angle < 60)).float().mean() > 0.2


def test_a_window_is_shifted_by_whole_px_and_moved_by_any_part():
    shift = only("shift").placing(16)[:, :, 2] * 8  # px
    torch.testing.assert_close(shift, shift.round())
    assert set(shift.round().flatten().tolist()) == {-2, -1, 0, 1, 2}  # an eighth of the side
    draws = only("move")
    move = draws.placing(16)[:, :, 2] * 8
    torch.testing.assert_close(move, 2 * draws.normal[:, _CHANGES.index("move")])


def test_mirrors_and_quarters_are_equally_frequent():
    eye = torch.eye(2)
    turn = torch.tensor([[0.0, -1], [1, 0]])
    placed = only("mirror", "quarter").placing(16)[:, :, :2]
    for mirror in (eye, torch.diag(torch.tensor([-1.0, 1]))):
        for times in range(4):
            symmetry = mirror @ torch.linalg.matrix_power(turn, times)
            share = (placed - symmetry).abs().amax(dim=(1, 2)).lt(1e-5).float().mean()
            assert 0.08 < share < 0.17


def test_brightness_is_added_before_contrast_and_flip():
    draws = only("brightness", "contrast", "flip")
    grey = torch.full((500, 3, 1, 1), 0.3)
    factor = torch.exp2(0.5 * normal(draws, "contrast"))
    sign = 1 - 2 * draws.uniform[:, _CHANGES.index("flip"), 0].ge(0.5).float()
    expected = factor * sign * (0.3 + 0.2 * normal(draws, "brightness"))
    changed = recoloured(grey, draws.colour()).flatten(1)
    torch.testing.assert_close(changed, expected[:, None].expand(-1, 3))


def test_contrast_scales_every_colour_and_a_flip_turns_its_lightness_alone():
    factor = only("contrast").colour()[:, :, :3]
    expected = torch.exp2(0.5 * normal(only("contrast"), "contrast"))[:, None, None] * torch.eye(3)
    torch.testing.assert_close(factor, expected)
    flipped = only("flip").colour()[:, :, :3] @ torch.tensor([1.0, -1, 0])
    torch.testing.assert_close(flipped, torch.tensor([1.0, -1, 0]).expand(500, -1))


def test_hue_and_saturation_keep_grey_and_change_the_rest_alone():
    for name in ("hue", "saturation"):
        colour = only(name).colour()
        torch.testing.assert_close(colour.sum(dim=2), torch.ones(500, 3))
    length = (only("hue").colour()[:, :, :3] @ torch.tensor([1.0, -1, 0])).norm(dim=1)
    torch.testing.assert_close(length, torch.full((500,), math.sqrt(2)))
    draws = only("saturation")
    colourful = draws.colour()[:, :, :3] @ torch.tensor([1.0, -1, 0])
    by = torch.exp2(normal(draws, "saturation"))[:, None] * torch.tensor([1.0, -1, 0])
    torch.testing.assert_close(colourful, by)


def test_the_probability_rises_while_more_than_sixty_percent_are_judged_right():
    made = AdaptiveAugmentation(0)
    for number in range(8):
        made.follow(torch.tensor([1.0, 2.0, 3.0, 4.0, -1.0]), number)  # 4 right, 1 wrong: 0.6
    assert made.probability == 0
    for number in range(8):
        made.follow(torch.ones(5), number)
    assert made.probability.item() == pytest.approx(8 * 5 / 500_000)
    for number in range(4):
        made.follow(-torch.ones(5), number)
    assert made.probability.item() == pytest.approx(4 * 5 / 500_000)


def test_the_changes_are_part_of_the_gradient(image):
    image.requires_grad_()
    at(1.0)(image, "a").sum().backward()
    assert (image.grad != 0).any(dim=(1, 2, 3)).all()
