"""Directions of concepts, sensitivity, relevance, and the layer of a cut."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.explain.concepts.agreement import agreement, map_correlations
from histoscribe.explain.concepts.cut import cut_numbers, layer_cut
from histoscribe.explain.concepts.depth import (
    ReadLayer,
    concept_paths,
    concepts_of_layer,
)
from histoscribe.explain.concepts.relevance import (
    bidirectional_relevance,
    normalised,
    sensitivities,
    share_as_extreme,
    steadiness,
)
from histoscribe.explain.concepts.tiles import ConceptTiles, residual
from histoscribe.explain.concepts.vectors import fit_vectors
from histoscribe.seed import stream
from histoscribe.types import SpotKeys

SIDE, GROUPS = 5, 4


@pytest.fixture
def rng():
    return stream(0, "test vectors")


def tiles_of(values, names=("one", "two"), n_patients=GROUPS):
    n = len(values)
    group = np.arange(n) * GROUPS // n
    at = np.arange(n) % (n // GROUPS)
    keys = SpotKeys.of_names(
        [f"S{g}" for g in group], [f"P{g % n_patients}" for g in group], [str(i) for i in range(n)]
    )
    um = np.stack([at % SIDE, at // SIDE], axis=1) * 100.0
    return ConceptTiles(keys, um, names, values)


def features_and_concepts(rng):
    """Channel 0 is concept `one`, and concept `two` is in no channel."""
    pooled = rng.normal(size=(GROUPS * SIDE**2, 6))
    pooled[:, 0] *= 7.0
    concept = np.stack([pooled[:, 0] / 7.0 + 0.1, rng.normal(size=len(pooled))], axis=1)
    return pooled, concept


def test_a_concept_in_a_channel_is_found_and_another_is_not(rng):
    pooled, concept = features_and_concepts(rng)
    vectors = fit_vectors(pooled, concept, np.arange(len(pooled)) % GROUPS)
    assert vectors.r2[0] > 0.99
    assert vectors.r2[1] < 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors.direction, axis=2), 1.0)
    assert (vectors.direction[:, 0, 0] > 0.99).all()


def test_r2_is_of_groups_that_were_left_out(rng):
    """Each group has its own relation: inside a group it is perfect, on others it is worthless."""
    group = np.repeat(np.arange(GROUPS), 20)
    pooled = rng.normal(size=(len(group), 3))
    sign = np.array([1.0, -1.0, 1.0, -1.0])[group]
    vectors = fit_vectors(pooled, (sign * pooled[:, 0])[:, None], group)
    assert vectors.r2[0] < 0.1


def test_sensitivity_is_the_slope_along_the_vector(rng):
    pooled, concept = features_and_concepts(rng)
    vectors = fit_vectors(pooled, concept, np.arange(len(pooled)) % GROUPS)
    slope = np.zeros((len(pooled), 1, 6))
    slope[:, 0, 0] = 2.0
    along = sensitivities(vectors, slope)[:, 0, 0]
    np.testing.assert_allclose(along, 2.0 * 7.0, rtol=0.15)  # per deviation of the channel


def test_relevance_follows_its_formula_and_is_zero_without_slope():
    sensitivity = np.array([[[1.0, 0.0, 2.0]], [[3.0, 0.0, 2.0]]])
    ratio = steadiness(sensitivity)
    assert ratio[0, :2].tolist() == [2.0, 0.0]
    assert np.isnan(ratio[0, 2])  # the same everywhere: no bound
    relevance = bidirectional_relevance(np.array([0.5, 0.5, -1.0]), ratio[..., None])
    np.testing.assert_allclose(relevance[0, :2, 0], [1.0, 0.0])
    np.testing.assert_allclose(normalised(np.array([[1.0, -2.0], [0.0, 0.0]]))[0], [0.5, -1.0])


def test_a_p_value_counts_draws_of_at_least_this_size():
    assert share_as_extreme(np.array(2.0), np.array([1.0, -3.0, 2.0])) == pytest.approx(3 / 4)


def test_concepts_at_a_layer_stand_beside_random_ones(rng):
    pooled, concept = features_and_concepts(rng)
    concept[::7, 1] = np.nan
    tiles = tiles_of(concept)
    slope = np.zeros((len(pooled), 1, 6))
    slope[:, 0, 0] = rng.uniform(0.5, 1.5, len(pooled))
    at = concepts_of_layer(ReadLayer("late", pooled, slope), tiles, tiles.random())
    blind = concepts_of_layer(
        ReadLayer("early", pooled[:, 1:], slope[..., 1:]), tiles, tiles.random()
    )
    assert at.r2[0] > np.percentile(at.random_r2[0], 97.5)
    assert share_as_extreme(at.relevance, at.random_relevance)[0, 0] <= 0.05
    (one, two) = concept_paths_of([blind, at])
    assert (one.appears_at, one.best_layer) == ("late", "late")
    assert two.best_r2 < 0.2


def concept_paths_of(layers):
    return concept_paths([replace(at, names=("darkness", "fat_share")) for at in layers])


def test_constant_and_rare_concepts_are_undefined(rng):
    _, concept = features_and_concepts(rng)
    concept[:, 0] = 3.0
    concept[10:, 1] = np.nan
    assert not tiles_of(concept).usable.any()


def test_patients_are_held_out_and_sections_where_patients_are_few(rng):
    _, concept = features_and_concepts(rng)
    assert tiles_of(concept).held_out == "patients"
    assert tiles_of(concept, n_patients=2).held_out == "sections"


def test_what_is_left_given_another_concept_does_not_correlate_with_it(rng):
    x, noise = rng.normal(size=(2, 50))
    left = residual(3.0 * x + noise, x)
    assert abs(left @ x) < 1e-9
    np.testing.assert_allclose(residual(np.append(x, np.nan), np.append(x, 1.0))[:-1], 0, atol=1e-9)


def test_agreement_is_high_for_what_is_measured_and_low_for_its_opposite(rng):
    values = rng.normal(size=(GROUPS * SIDE**2, 2))
    tiles = tiles_of(values)
    genes = values + 0.5 * rng.normal(size=values.shape)
    measured = map_correlations(genes, tiles)
    number, chance = agreement(np.eye(2), measured, "agreement", "x")
    assert number.value > chance.high
    assert agreement(-np.eye(2), measured, "agreement", "x")[0].value < chance.low
    assert (measured.p[np.eye(2, dtype=bool)] < 0.01).all()


def test_agreement_is_undefined_without_measured_genes(rng):
    tiles = tiles_of(rng.normal(size=(GROUPS * SIDE**2, 2)))
    empty = map_correlations(np.full((len(tiles.keys), 2), np.nan), tiles)
    number, chance = agreement(np.eye(2), empty, "agreement", "x")
    assert np.isnan([number.value, chance.value]).all()


def test_an_encoder_is_cut_where_the_genes_are(rng):
    tiles = tiles_of(rng.normal(size=(GROUPS * SIDE**2, 2)))
    early, good, late = rng.normal(size=(3, len(tiles.keys), 5))
    genes = good[:, :3] + 0.3 * rng.normal(size=(len(good), 3))
    cut = layer_cut(("early", "good", "late"), (early, good, late), genes, tiles)
    assert cut.layers[cut.best] == "good"
    assert set(cut.layer_of_part) == {1}
    statistic, null = cut_numbers(cut, genes, tiles)
    gain, by_chance = statistic[2], null[2]
    assert gain.value > by_chance.high
    assert statistic[0].value == pytest.approx(statistic[1].value + gain.value)
    error = np.mean(
        [
            np.square(cut.cut_values[rows] - genes[rows]).mean(axis=0) / genes[rows].var(axis=0)
            for _, rows in tiles.by_section
        ]
    )
    assert statistic[3].value == pytest.approx(error)
    assert statistic[3].value < null[3].low
