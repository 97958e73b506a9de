"""Pairs of genes: known answers, and what is regressed out."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.explain.together.agreement import (
    ALIKE,
    CARRIED,
    SAME_SPOTS,
    ComparedMaps,
    as_measured,
    mean_values,
    moved_measured,
    permuted_genes,
    share_above,
)
from histoscribe.explain.together.moved_labels import moved_in_sections
from histoscribe.explain.together.pairs import PairSection, of_pairs
from histoscribe.explain.together.shuffled_rows import number_of_trainings
from histoscribe.types import SpotKeys

SIDE, N_GENES = 15, 20


def section_of(measured, rng, *, patient="P", log_depth=None, log_mean=None):
    y, x = np.mgrid[:SIDE, :SIDE]
    return PairSection(
        name=f"{patient}S",
        patient=patient,
        um=100.0 * np.stack([x.ravel(), 1.3 * y.ravel()], axis=1),
        log_depth=rng.normal(size=SIDE**2) if log_depth is None else log_depth,
        measured=measured,
        log_mean=rng.normal(size=N_GENES) if log_mean is None else log_mean,
    )


def programmes(rng, noise=0.3):
    """Two programmes of ten genes each, in noise that is not smooth."""
    shared = rng.normal(size=(SIDE**2, 2))
    signal = np.repeat(shared, N_GENES // 2, axis=1)
    return signal, signal + noise * rng.normal(size=signal.shape)


def test_maps_as_measured_carry_all_of_the_coexpression_and_exchanged_ones_none():
    rng = np.random.default_rng(0)
    signal, measured = programmes(rng)
    section = section_of(measured, rng)
    whole = ComparedMaps.of(section, measured).values
    assert whole[SAME_SPOTS] == pytest.approx(1)
    assert whole[ALIKE] > 0.95
    assert whole[CARRIED] == pytest.approx(1, abs=0.1)
    noisy = section_of(programmes(rng, noise=1.0)[1], rng)
    reached = as_measured([ComparedMaps.of(noisy, rng.permutation(noisy.measured))])
    own = ComparedMaps.of(noisy, noisy.measured).values
    assert reached == {name: pytest.approx(own[name]) for name in (ALIKE, CARRIED)}
    elsewhere = ComparedMaps.of(section, rng.permutation(signal)).values
    assert elsewhere[ALIKE] > 0.95  # alike all the same
    assert abs(elsewhere[CARRIED]) < 0.15
    halved = ComparedMaps.of(section, measured / 2).values
    assert halved[CARRIED] == pytest.approx(whole[CARRIED] / 2)


def test_coexpression_is_a_correlation_without_depth_and_trend():
    rng = np.random.default_rng(1)
    _, measured = programmes(rng)
    section = section_of(measured, rng)
    plain = section.whole.coexpression
    np.testing.assert_allclose(np.diag(plain), 1)
    x, y = section.um.T / 1000
    bent = section.log_depth + 2 * x - y + 3 * x * y - x**2
    again = replace(section, measured=measured + bent[:, None] * rng.normal(size=N_GENES))
    np.testing.assert_allclose(again.whole.coexpression, plain, atol=1e-8)


def test_mean_expression_says_nothing_of_pairs_any_more():
    rng = np.random.default_rng(2)
    log_mean = rng.uniform(0, 4, N_GENES)
    section = section_of(rng.normal(size=(SIDE**2, N_GENES)), rng, log_mean=log_mean)
    matrix = np.outer(log_mean, log_mean) + np.abs(log_mean[:, None] - log_mean)
    np.testing.assert_allclose(of_pairs(matrix, section), 0, atol=1e-8)


def test_constant_maps_are_like_none_and_constant_genes_do_not_vary():
    rng = np.random.default_rng(3)
    _, measured = programmes(rng)
    flat = ComparedMaps.of(section_of(measured, rng), np.full_like(measured, 0.3)).values
    assert flat == {ALIKE: 0.0, SAME_SPOTS: 0.0, CARRIED: pytest.approx(0.0, abs=1e-12)}
    measured[:, 2], measured[:, 5] = 1.5, np.nan
    assert np.flatnonzero(~section_of(measured, rng).varies).tolist() == [2, 5]


def test_ends_are_apart_along_the_longer_axis():
    rng = np.random.default_rng(4)
    section = section_of(rng.normal(size=(SIDE**2, N_GENES)), rng)
    first, last = (section.um[rows, 1] for rows in section.ends)
    low, high = sorted([first, last], key=np.mean)
    assert low.max() + 500 < high.min()


def test_patients_count_alike_whatever_the_number_of_their_sections():
    rng = np.random.default_rng(5)
    drawn = [
        (section_of(m, rng, patient=p), m)
        for p, m in zip("AAB", [programmes(rng)[1] for _ in range(3)], strict=True)
    ]
    maps = [ComparedMaps.of(section, rng.normal(size=m.shape)) for section, m in drawn]
    one, two, three = (of.values[ALIKE] for of in maps)
    assert mean_values(maps)[ALIKE] == pytest.approx(one / 4 + two / 4 + three / 2)


def test_permuted_genes_and_moved_places_are_chance_for_what_is_unrelated(monkeypatch):
    monkeypatch.setattr("histoscribe.explain.together.agreement.N_DRAWS", 99)
    monkeypatch.setattr("histoscribe.explain.together.agreement.N_MOVED", 39)
    rng, alarms = np.random.default_rng(6), np.zeros(2)
    for _ in range(10):
        maps = ComparedMaps.of(
            section_of(programmes(rng, 3.0)[1], rng), rng.normal(size=(SIDE**2, N_GENES))
        )
        draws = {**permuted_genes([maps]), CARRIED: moved_measured([maps])}
        alarms += [share_above(maps.values[name], draws[name]) <= 0.05 for name in (ALIKE, CARRIED)]
    assert (alarms <= 3).all(), alarms  # at 5 %, more of ten come once in 1,000 times
    related, measured = programmes(rng)
    maps = ComparedMaps.of(section_of(measured, rng), related)
    assert share_above(maps.values[ALIKE], permuted_genes([maps])[ALIKE]) == 1 / 100
    assert share_above(maps.values[CARRIED], moved_measured([maps])) == 1 / 40


def test_moved_labels_come_from_afar_and_neighbours_stay_neighbours():
    y, x = np.mgrid[:SIDE, :SIDE]
    um = 100.0 * np.stack([x.ravel(), y.ravel()], axis=1)
    keys = SpotKeys.of_names(
        np.repeat(["A", "B"], SIDE**2),
        np.repeat("P", 2 * SIDE**2),
        np.arange(2 * SIDE**2).astype(str),
    )
    origin = moved_in_sections(keys, np.concatenate([um, um]), seed=0).origin
    assert (keys.section[origin] == keys.section).all()
    assert (np.linalg.norm(um[origin[: SIDE**2]] - um, axis=1) > 0).mean() > 0.95
    beside = np.flatnonzero(np.diff(um[:, 0]) == 100)
    step = np.abs(um[origin[beside + 1]] - um[origin[beside]]).sum(axis=1)
    assert (step <= 100).mean() > 0.9  # but for those on both sides of the old edge
    assert len(set(origin.tolist())) > 0.9 * len(origin)


def test_the_range_of_trainings_holds_a_further_one_in_nineteen_of_twenty_cases():
    rng, n_runs = np.random.default_rng(7), 2000
    drawn = rng.normal(size=(n_runs, 6))
    ranges = [number_of_trainings("x", of[:5], "of noise") for of in drawn]
    inside = [of.low <= value <= of.high for of, value in zip(ranges, drawn[:, 5], strict=True)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
