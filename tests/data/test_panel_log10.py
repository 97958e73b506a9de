"""The published scale of TCGN: a spot is normalised over the genes of the panel alone."""

import json

import numpy as np
import pytest

from histoscribe.data.bulk_target import linear_values
from histoscribe.data.target import Target, TargetSettings, fit_target
from histoscribe.data.transform import PanelLog10
from tests.data.fakes_for_data import fake_section

IDS = tuple("abcdef")


def section(name, patient, *, columns=slice(None), seed=0):
    counts = np.random.default_rng(seed).poisson([40, 30, 20, 8, 4, 2], (50, 6))
    return fake_section(name, patient, counts[:, columns], genes=IDS[columns])


def fitted(*sections, genes=("b", "d", "e")):
    settings = TargetSettings(panel="list", genes=genes, transform="panel-log10")
    return fit_target([(of, np.arange(len(of.spots))) for of in sections], settings)


@pytest.fixture
def train():
    return section("s1", "p1", seed=1), section("s2", "p2", seed=2)


def test_a_spot_is_normalised_to_10000_over_the_panel_before_the_logarithm(train):
    values = fitted(*train).apply(train[0]).astype(np.float64)
    counts = train[0].measured.matrix.toarray()[:, [1, 3, 4]]
    expected = np.log10(1 + 1e4 * counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_allclose((10**values - 1).sum(axis=1), 1e4, rtol=1e-5)


def test_genes_outside_the_panel_change_nothing(train):
    target, counts = fitted(*train), train[0].measured.matrix.toarray()
    counts[:, [0, 2, 5]] = 7
    changed = fake_section("s1", "p1", counts, genes=IDS)
    np.testing.assert_array_equal(target.apply(changed), target.apply(train[0]))


def test_a_spot_without_a_count_of_the_panel_stays_all_zeros(train):
    counts = train[0].measured.matrix.toarray()
    counts[0, [1, 3, 4]] = 0
    values = fitted(*train).apply(fake_section("t", "p3", counts, genes=IDS))
    assert (values[0] == 0).all()
    assert counts[0].sum() > 0
    assert (values[1:] > 0).any(axis=1).all()


def test_a_section_that_lacks_a_gene_stays_on_the_scale_of_training(train):
    target = fitted(*train)
    whole, lacking = (section("t", "p3", columns=at, seed=3) for at in (slice(6), slice(4)))
    values = target.apply(lacking)
    assert np.isnan(values[:, 2]).all()
    b, d = (lacking.measured.matrix.toarray()[:, at] for at in (1, 3))
    part = sum(target.state.shares[:2]) / sum(target.state.shares)
    np.testing.assert_allclose(values[:, 1], np.log10(1 + 1e4 * d * part / (b + d)), rtol=1e-6)
    level, true = (10 ** np.nanmean(of[:, :2], axis=0) for of in (values, target.apply(whole)))
    np.testing.assert_allclose(level, true, rtol=0.02)  # without the shares: 1.1 times as high


def test_a_section_without_any_gene_of_the_panel_is_undefined(train):
    alone = section("t", "p3", columns=slice(1))
    assert np.isnan(fitted(*train).apply(alone)).all()


def test_the_inverse_takes_the_panels_share_of_training(train):
    target = fitted(*train)
    shares = np.array(target.state.shares)
    counts = np.concatenate([of.measured.matrix.toarray() for of in train])
    np.testing.assert_allclose(shares, counts[:, [1, 3, 4]].sum(axis=0) / counts.sum(), rtol=1e-12)
    test = section("t", "p3", seed=3)
    total = test.measured.total
    back = target.invert(target.apply(test).astype(np.float64), total)
    of_panel = target.panel_counts(test).counts
    np.testing.assert_allclose(back.sum(axis=1), shares.sum() * total, rtol=1e-5)
    exact = back * (of_panel.sum(axis=1) / (shares.sum() * total))[:, None]
    np.testing.assert_allclose(exact, of_panel, rtol=1e-5)
    np.testing.assert_allclose(back.mean(axis=0), of_panel.mean(axis=0), rtol=0.05)


def test_a_mean_over_tissue_is_of_counts_per_10000(train):
    target = fitted(*train)
    values = target.apply(train[0]).astype(np.float64)
    per_10000 = linear_values(values, target)
    assert per_10000 is not None
    np.testing.assert_allclose(per_10000.sum(axis=1), 1e4 * sum(target.state.shares), rtol=1e-5)


def test_the_card_says_over_which_genes_the_total_is(train):
    target = fitted(*train)
    card = target.card()
    assert card.transform == "panel-log10"
    assert card.size_factors.startswith("total over the genes of the panel")
    assert "training counts" in card.statistic
    assert "panel's genes" in target.state.unit
    assert isinstance(target.state, PanelLog10)
    assert fit_target(
        [(train[0], np.arange(50))], TargetSettings(n_genes=3)
    ).card().size_factors == ("total over all genes measured")
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again.state == target.state
