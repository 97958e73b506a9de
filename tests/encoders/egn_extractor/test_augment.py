"""What the discriminator sees is changed as its paper says, and by named draws alone."""

import math

import pytest
import torch

from histoscribe.encoders.egn_extractor.augment import AdaptiveAugmentation, moved, recoloured


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


def test_hue_saturation_and_flip_keep_what_they_name():
    """With brightness and contrast off, grey stays grey; a turn of hue keeps the colour's size."""
    from histoscribe.encoders.egn_extractor.augment import _CHANGES, _Draws

    gate = torch.ones(4, len(_CHANGES), 1)
    gate[:, _CHANGES.index("hue")] = 0
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(4, len(_CHANGES), 2, generator=generator)
    draws = _Draws(torch.tensor(0.5), gate, uniform, torch.randn(uniform.shape))
    colour = draws.colour()
    length = (colour[:, :, :3] @ torch.tensor([1.0, -1, 0])).norm(dim=1)
    torch.testing.assert_close(length, torch.full((4,), math.sqrt(2)))
    torch.testing.assert_close(colour.sum(dim=2), torch.ones(4, 3))


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
