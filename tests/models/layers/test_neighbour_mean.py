import numpy as np
import pytest
import torch

from histoscribe.models.layers.neighbour_mean import neighbour_mean, neighbour_shares


def lattice(side=7, pitch_um=100.0):
    """Places of a square lattice, row by row."""
    row, column = np.divmod(np.arange(side * side), side)
    return torch.from_numpy(pitch_um * np.stack([column, row], axis=1)).float()


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_mean_is_that_of_the_nearest_other_spots():
    um, feature = 1000 * draw(60, 2), draw(60, 5, seed=1)
    distance = torch.cdist(um, um).fill_diagonal_(torch.inf)
    nearest = distance.argsort(dim=1)[:, :6]
    torch.testing.assert_close(neighbour_mean(feature, um, 6), feature[nearest].mean(dim=1))


def test_the_four_nearest_of_a_lattice_are_the_four_beside():
    um, feature = lattice(), draw(49, 3)
    beside = feature[[17, 23, 25, 31]].mean(dim=0)
    torch.testing.assert_close(neighbour_mean(feature, um, 4)[24], beside)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_spots_that_tie_for_the_last_places_share_them(n):
    um, feature = lattice(), draw(49, 3)
    beside = feature[[17, 23, 25, 31]].mean(dim=0)
    torch.testing.assert_close(neighbour_mean(feature, um, n)[24], beside)


def test_a_part_of_the_places_is_shared():
    _, share = neighbour_shares(lattice().double().numpy(), 6)
    np.testing.assert_allclose(share[24], [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(share.sum(axis=1), 6)


def test_more_ties_than_spare_candidates_are_all_found():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.concatenate([[[0, 0]], 300 * np.stack([np.cos(angle), np.sin(angle)], axis=1)])
    rows, share = neighbour_shares(circle.astype(np.float32).astype(np.float64), 2)
    assert set(rows[0, share[0] > 0]) == set(range(1, 41))
    np.testing.assert_allclose(share[0], 2 / 40)


def test_the_order_of_spots_and_the_centre_of_the_slide_do_not_matter():
    um, feature = lattice(), draw(49, 3)
    expected = neighbour_mean(feature, um, 3)
    order = torch.randperm(49, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(neighbour_mean(feature[order], um[order], 3), expected[order])
    moved = um + torch.tensor([1234.567, -89.01])
    torch.testing.assert_close(neighbour_mean(feature, moved, 3), expected)


def test_small_sections_take_the_spots_that_there_are():
    um, feature = lattice(), draw(49, 3)
    torch.testing.assert_close(neighbour_mean(feature[:2], um[:2], 6), feature[[1, 0]])
    assert (neighbour_mean(feature[:1], um[:1], 6) == 0).all()


def test_spots_at_one_place_are_neighbours():
    um, feature = torch.zeros(12, 2), draw(12, 3)
    others = (feature.sum(dim=0) - feature) / 11
    torch.testing.assert_close(neighbour_mean(feature, um, 2), others)


def test_dropped_neighbours_count_as_zeros_from_none_to_the_largest_number():
    um, ones = lattice(), torch.ones(49, 1)
    torch.manual_seed(0)
    kept = torch.cat([neighbour_mean(ones, um, 4, dropped=2)[24] for _ in range(300)]) * 4
    numbers, times = kept.round().unique(return_counts=True)
    assert numbers.tolist() == [2, 3, 4], "a spot inside the lattice has four nearest spots"
    assert times.min() > 70
    assert torch.equal(neighbour_mean(ones, um, 4), neighbour_mean(ones, um, 4, dropped=0))
