import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from histoscribe.models.base import create_model
from histoscribe.models.closed_form.ridge_path import ALPHAS, RidgePath, choose_alpha
from tests.contracts.tables import planted_table


def test_every_alpha_is_sklearns_ridge():
    table, rest = planted_table(0), planted_table(1)
    scaler = StandardScaler().fit(table.feature.astype(np.float64))
    x, x_rest = scaler.transform(table.feature), scaler.transform(rest.feature)
    path = RidgePath(table.feature).predict_path(table.target, rest.feature)
    for alpha, predicted in zip(ALPHAS, path, strict=True):
        expected = Ridge(alpha=alpha).fit(x, table.target).predict(x_rest)
        np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_smoother_and_weights_predict_the_same():
    table, rest = planted_table(0), planted_table(1)
    path = RidgePath(table.feature)
    centred = table.target - table.target.mean(axis=0)
    by_smoother = path.smoother(rest.feature, 10.0) @ centred
    by_weights = path.standardised(rest.feature) @ path.weights(table.target, 10.0)
    np.testing.assert_allclose(by_smoother, by_weights, atol=1e-5)


def test_alpha_grows_with_noise():
    quiet, _ = choose_alpha(planted_table(0, noise=0.1))
    noisy, _ = choose_alpha(planted_table(0, n_features=60, noise=30.0))
    assert noisy > quiet


def test_constant_features_are_ignored():
    table = planted_table()
    wider = np.concatenate([table.feature, np.full((len(table.feature), 1), 1e3, np.float32)], 1)
    moved = wider + np.eye(13, dtype=np.float32)[12] * 5
    path = RidgePath(wider)
    predicted = path.predict_path(table.target, moved)[3]
    np.testing.assert_allclose(
        predicted, RidgePath(table.feature).predict_path(table.target, table.feature)[3], atol=1e-6
    )


def test_hest_recipe_is_scaler_pca_ridge_without_intercept():
    table, rest = planted_table(0), planted_table(1)
    scaler = StandardScaler().fit(table.feature)
    pca = PCA(8, svd_solver="full").fit(scaler.transform(table.feature))
    ridge = Ridge(alpha=100 / (8 * 5), fit_intercept=False, solver="lsqr", tol=1e-8)
    ridge.fit(pca.transform(scaler.transform(table.feature)), table.target)
    expected = ridge.predict(pca.transform(scaler.transform(rest.feature)))
    predicted = create_model("ridge-hest", preset="tiny").fit(table).predict(rest.feature)
    np.testing.assert_allclose(predicted, expected, atol=1e-3)


def test_depth_model_recovers_a_planted_depth():
    table = planted_table(0)
    slope = np.array([1.0, -2.0, 0.0, 0.5, 3.0])
    model = create_model("depth")
    deep = type(table)(
        **{**vars(table), "target": np.outer(table.log_total, slope).astype(np.float32)}
    )
    predicted = model.fit(deep).predict(table.feature)
    depth = model.predict_log_total(table.feature)
    assert np.corrcoef(depth, table.log_total)[0, 1] > 0.7
    np.testing.assert_allclose(predicted, np.outer(depth, slope), atol=1e-3)


def test_one_neighbour_repeats_the_nearest_spot(monkeypatch):
    monkeypatch.setattr("histoscribe.models.closed_form.knn.NEIGHBOURS", (1,))
    table = planted_table()
    model = create_model("knn").fit(table)
    np.testing.assert_allclose(model.predict(table.feature), table.target, atol=1e-6)


@pytest.mark.parametrize("name", ["ridge", "depth", "knn"])
def test_choices_come_with_the_scores_they_were_made_by(name):
    model = create_model(name).fit(planted_table())
    assert model.choice["inner_pcc"]
