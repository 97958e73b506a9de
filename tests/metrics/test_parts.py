import numpy as np
import pytest

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.parts import score_parts

SPOTS, GENES = 60, 7


@pytest.fixture
def measured():
    draw = np.random.default_rng(3)
    depth = draw.normal(8, 0.5, SPOTS)
    slope = draw.normal(0, 1, GENES)
    level = draw.normal(0, 3, GENES)
    values = level + (depth - 8)[:, None] * slope + draw.normal(0, 1, (SPOTS, GENES))
    return values.astype(np.float32), depth


def parts_of(predicted, measured):
    values, depth = measured
    return score_parts(Evaluated(np.asarray(predicted, dtype=np.float32), values, depth))


def test_the_parts_add_up_to_the_correlation_over_spots_and_genes(measured):
    predicted = np.random.default_rng(1).normal(size=(SPOTS, GENES)) + measured[0]
    parts = parts_of(predicted, measured)
    plain = np.corrcoef(predicted.ravel(), measured[0].ravel())[0, 1]
    assert parts.correlation == pytest.approx(plain, abs=1e-6)
    assert parts.correlation == parts.gene_means + parts.depth + parts.rest
    assert min(parts.gene_means, parts.rest) > 0


def test_a_gene_mean_model_has_all_of_its_score_in_the_first_part(measured):
    parts = parts_of(np.tile(measured[0].mean(axis=0), (SPOTS, 1)), measured)
    assert (parts.depth, parts.rest) == (0.0, 0.0)
    assert parts.gene_means > 0.5


def test_a_depth_model_has_nothing_beyond_depth(measured):
    values, depth = measured
    slope = ((depth - depth.mean()) @ (values - values.mean(axis=0))) / depth.var() / SPOTS
    parts = parts_of((depth - depth.mean())[:, None] * slope, measured)
    assert parts.depth > 0
    assert parts.gene_means == pytest.approx(0, abs=1e-6)
    assert parts.rest == pytest.approx(0, abs=1e-6)


def test_a_map_without_level_and_depth_is_all_rest(measured):
    values, depth = measured
    centred = values - values.mean(axis=0)
    slope = ((depth - depth.mean()) @ centred) / depth.var() / SPOTS
    parts = parts_of(centred - (depth - depth.mean())[:, None] * slope, measured)
    assert parts.rest > 0
    assert parts.gene_means == pytest.approx(0, abs=1e-6)
    assert parts.depth == pytest.approx(0, abs=1e-6)


def test_genes_that_were_not_measured_are_left_out(measured):
    values, depth = measured
    predicted = values + np.random.default_rng(2).normal(size=values.shape)
    lacking = values.copy()
    lacking[:, 2] = np.nan
    kept = [gene for gene in range(GENES) if gene != 2]
    parts = parts_of(predicted, (lacking, depth))
    expected = parts_of(predicted[:, kept], (values[:, kept], depth))
    for part in ("gene_means", "depth", "rest"):
        assert getattr(parts, part) == pytest.approx(getattr(expected, part), abs=1e-7)


def test_undefined_and_constant_cases_are_named(measured):
    values, depth = measured
    assert np.isnan(parts_of(values, (np.ones_like(values), depth)).correlation)
    assert parts_of(np.zeros_like(values), measured).correlation == 0
    assert np.isnan(parts_of(values, (np.full_like(values, np.nan), depth)).correlation)
