"""The promises of CKA: known answers, invariances, and no bias in small batches."""

import numpy as np
import pytest

from histoscribe.explain.layers.cka import centred_likeness, hsic, linear_cka, permuted_hsic


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def hsic_by_loops(x, y):
    """HSIC_1 of Song et al. 2012, term by term."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    return (
        np.trace(k @ m)
        + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (one @ k @ m @ one)
    ) / (n * (n - 3))


def test_hsic_equals_the_formula(rng):
    x, y = rng.normal(2, 1, (12, 5)), rng.normal(size=(12, 3))
    products = hsic([centred_likeness(x), centred_likeness(y)])
    assert products[0, 1] == pytest.approx(hsic_by_loops(x, y))
    assert products[1, 1] == pytest.approx(hsic_by_loops(y, y))


def test_a_layer_is_alike_to_itself_by_one_also_turned_scaled_and_moved(rng):
    x = rng.normal(size=(30, 8))
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert linear_cka([(x, x)]) == pytest.approx(1)
    assert linear_cka([(x, -3.7 * x @ turn + 5)]) == pytest.approx(1)


def test_turning_and_scaling_one_layer_changes_nothing(rng):
    x = rng.normal(size=(30, 8))
    y = np.tanh(x @ rng.normal(size=(8, 5)))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    assert linear_cka([(x, 0.2 * y @ turn)]) == pytest.approx(linear_cka([(x, y)]))
    assert linear_cka([(x, y * [1, 1, 1, 1, 30])]) != pytest.approx(linear_cka([(x, y)]), abs=0.05)


def test_unrelated_layers_are_alike_by_zero_on_average_however_few_the_tiles(rng):
    unbiased, plain = [], []
    for _ in range(1500):
        x, y = rng.normal(size=(8, 40)), rng.normal(size=(8, 40))
        unbiased.append(hsic([centred_likeness(x), centred_likeness(y)])[0, 1])
        plain.append(np.square((x - x.mean(0)).T @ (y - y.mean(0))).sum() / 49)
    assert abs(np.mean(unbiased)) < 3 * np.std(unbiased) / np.sqrt(1500)
    assert np.mean(plain) > 10 * np.std(plain) / np.sqrt(1500)  # what the diagonal brings in


def test_batches_estimate_the_hsic_of_all_tiles(rng):
    x = rng.normal(size=(4000, 3))
    y = x @ rng.normal(size=(3, 4)) + rng.normal(size=(4000, 4))
    whole = linear_cka([(x, y)])
    batches = linear_cka(zip(np.split(x, 400), np.split(y, 400), strict=True))
    assert batches == pytest.approx(whole, abs=0.03)


def test_permuted_tiles_give_the_hsic_of_the_layer_with_the_permuted_layer(rng):
    x, order = rng.normal(size=(10, 3)), rng.permutation(10)
    expected = hsic([centred_likeness(x), centred_likeness(x[order])])[0, 1]
    assert permuted_hsic(centred_likeness(x), order) == pytest.approx(expected)


def test_a_constant_layer_has_no_alignment(rng):
    x = rng.normal(size=(10, 3))
    assert np.isnan(linear_cka([(x, np.ones((10, 2)))]))


def test_three_tiles_are_too_few():
    with pytest.raises(ValueError, match="at least 4"):
        centred_likeness(np.zeros((3, 2)))
