import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from histoscribe.explain import surrogates as room
from histoscribe.explain.surrogates import (
    auroc_test,
    correlation_draws,
    correlation_test,
    surrogates,
    tile_means,
)

PITCH_UM = 100.0


def lattice(n):
    """Spots of a hexagonal array, um."""
    row, column = np.divmod(np.arange(n), int(np.ceil(np.sqrt(n))))
    return PITCH_UM * np.stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)], axis=1)


def smooth_maps(um, n_maps, pitches, seed):
    """Unrelated maps: white noise, smoothed with a Gaussian of so many pitches."""
    noise = np.random.default_rng(seed).standard_normal((len(um), n_maps))
    blur = np.exp(-((cdist(um, um) / (pitches * PITCH_UM)) ** 2) / 2)
    return np.ascontiguousarray((blur @ noise).T)


def false_alarms(pitches, n_pairs, *, label=False):
    """Share of pairs of unrelated maps with p at most 0.05."""
    um = lattice(300)
    maps = smooth_maps(um, 2 * n_pairs, pitches, seed=13)
    p = []
    for seed, (first, second) in enumerate(zip(maps[::2], maps[1::2], strict=True)):
        if label:
            p.append(auroc_test(first, second > np.median(second), um, seed).p)
        else:
            p.append(correlation_test(first, second, um, seed).p)
    return float((np.array(p) <= 0.05).mean())


def test_surrogates_keep_mean_variance_and_smoothness():
    um = lattice(150)
    (values,) = smooth_maps(um, 1, 2.0, seed=1)
    drawn = surrogates(values, um, 40, seed=0)
    assert drawn.shape == (40, 150)
    np.testing.assert_allclose(drawn.mean(axis=1), values.mean(), atol=1e-12)
    np.testing.assert_allclose(drawn.var(axis=1), values.var())
    weight = np.exp(-cdist(um, um) / (4 * PITCH_UM))

    def moran(maps):
        centred = maps - maps.mean(axis=-1, keepdims=True)
        return np.einsum("...i,ij,...j", centred, weight, centred)

    np.testing.assert_allclose(moran(drawn), moran(values))


def test_surrogates_are_random_maps_of_the_seed():
    um = lattice(80)
    (values,) = smooth_maps(um, 1, 1.0, seed=1)
    drawn = surrogates(values, um, 3, seed=0)
    assert (drawn == surrogates(values, um, 3, seed=0)).all()
    assert not np.isclose(drawn, surrogates(values, um, 3, seed=1)).all()
    assert not np.isclose(drawn[0], drawn[1]).all()
    assert not np.isclose(drawn[0], values).all()


def test_few_unrelated_smooth_maps_are_called_related():
    assert false_alarms(2.0, 120) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("pitches", "most"), [(1.0, 0.07), (2.0, 0.07), (4.0, 0.09)])
def test_false_alarms_are_about_five_in_a_hundred(pitches, most):
    assert 0.03 <= false_alarms(pitches, 1000) <= most


@pytest.mark.slow
def test_false_alarms_of_a_label_are_about_five_in_a_hundred():
    assert 0.03 <= false_alarms(2.0, 1000, label=True) <= 0.07


def test_a_related_map_is_found():
    um = lattice(200)
    first, noise = smooth_maps(um, 2, 1.0, seed=3)
    test = correlation_test(first, first + 0.5 * noise, um, seed=0)
    assert test.value == pytest.approx(np.corrcoef(first, first + 0.5 * noise)[0, 1])
    assert test.p == pytest.approx(0.001)
    assert np.abs(test.draws).max() < test.value


def test_it_does_not_matter_which_map_is_random():
    um = lattice(60)
    first, second = smooth_maps(um, 2, 1.0, seed=4)
    one, other = (correlation_test(*pair, um, 0) for pair in [(first, second), (second, first)])
    np.testing.assert_array_equal(one.draws, other.draws)
    rescaled = correlation_test(5.0 * first - 3.0, second, um, 0)
    np.testing.assert_allclose(rescaled.draws, one.draws)


def test_auroc_is_that_of_scikit_learn_and_its_draws_those_of_the_surrogates():
    um = lattice(90)
    score, other = smooth_maps(um, 2, 1.0, seed=5)
    score, label = np.round(score), other > 1
    test = auroc_test(score, label, um, seed=0)
    assert test.value == pytest.approx(roc_auc_score(label, score))
    (first,) = surrogates(score, um, 1, seed=0)
    assert test.draws[0] == pytest.approx(roc_auc_score(label, first))
    assert test.draws.mean() == pytest.approx(0.5, abs=0.02)


def test_a_label_that_follows_the_score_is_found():
    um = lattice(200)
    score, noise = smooth_maps(um, 2, 1.0, seed=6)
    test = auroc_test(score, score + 0.5 * noise > 0, um, seed=0)
    assert test.value > 0.8
    assert test.p < 0.01


def test_a_constant_map_and_a_label_of_one_class_are_undefined():
    um = lattice(50)
    (varied,) = smooth_maps(um, 1, 1.0, seed=0)
    constant = np.full(50, 0.1 + 0.2)
    everywhere = np.ones(50, dtype=bool)
    assert np.isnan(surrogates(constant, um, 2, seed=0)).all()
    for test in (
        correlation_test(constant, varied, um, 0),
        correlation_test(varied, constant, um, 0),
        auroc_test(constant, varied > 0, um, 0),
        auroc_test(varied, everywhere, um, 0),
        auroc_test(varied, ~everywhere, um, 0),
    ):
        assert np.isnan([test.value, test.p]).all()
        assert np.isnan(test.draws).all()
        assert all(np.isnan(number.value) for number in test.number("r", "correlation"))


def test_more_places_than_3000_are_averaged_over_tiles(monkeypatch):
    monkeypatch.setattr(room, "MOST_PLACES", 60)
    um = lattice(400) + 7.0
    first, second = smooth_maps(um, 2, 4.0, seed=7)
    means = tile_means(first, um)
    assert 30 <= len(np.unique(means)) <= 60
    assert np.corrcoef(means, first)[0, 1] > 0.9
    drawn = surrogates(first, um, 5, seed=0)
    assert drawn.shape == (5, 400)
    assert all(len(np.unique(one[means == means[0]])) == 1 for one in drawn)
    same = correlation_test(first, first, um, 0)
    assert same.value == pytest.approx(1.0)
    label = second > np.median(second)
    expected = roc_auc_score(label, means)  # every place has the mean of its tile
    assert auroc_test(first, label, um, 0).value == pytest.approx(expected)


def test_draws_of_many_pairs_are_those_of_each_pair_by_itself():
    um = lattice(60)
    maps = smooth_maps(um, 6, 1.0, seed=4).T
    first, second = maps[:, :3].copy(), maps[:, 3:].copy()
    first[:, 2] = 7.0
    drawn = correlation_draws(first, second, um, 5)
    for gene in range(2):
        alone = correlation_test(first[:, gene], second[:, gene], um, 5).draws
        np.testing.assert_allclose(drawn[:, gene], alone, atol=1e-12)
    assert (drawn[:, 2] == 0).all()
    with pytest.raises(ValueError, match="undefined values"):
        correlation_draws(first, np.where(second > 9, second, np.nan), um, 0)


def test_up_to_3000_places_a_map_stays_as_it_is():
    um = lattice(50)
    (values,) = smooth_maps(um, 1, 1.0, seed=0)
    assert (tile_means(values, um) == values).all()


def test_values_and_places_that_make_no_map_are_refused():
    um = lattice(30)
    (values,) = smooth_maps(um, 1, 1.0, seed=0)
    undefined = np.where(np.arange(30) == 3, np.nan, values)
    with pytest.raises(ValueError, match="undefined values"):
        correlation_test(values, undefined, um, 0)
    with pytest.raises(ValueError, match="at least 3"):
        surrogates(values[:2], um[:2], 1, 0)
    with pytest.raises(ValueError, match="one place"):
        surrogates(values, np.zeros((30, 2)), 1, 0)


def test_a_test_gives_its_numbers_under_one_name():
    um = lattice(60)
    first, second = smooth_maps(um, 2, 1.0, seed=8)
    test = correlation_test(first, second, um, 0)
    number, chance = test.number("correlation", "correlation of two maps")
    assert number.name == chance.name == "correlation"
    assert number.value == test.value
    assert chance.low <= chance.value <= chance.high
    assert test.p_number("correlation").name == "p_correlation"
    assert test.p_number("correlation").value == test.p
