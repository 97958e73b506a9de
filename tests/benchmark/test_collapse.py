"""A network that hardly varies over spots is named, with its worst genes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.benchmark.checks_of_scores import collapsed
from histoscribe.benchmark.score import Scored, Truth
from histoscribe.benchmark.spread import spread_table, total_spread

GENES = ("A", "B", "C", "D")


def scored(model, share, seed=0):
    """Predictions with these shares of the variance of each gene; the last gene is constant."""
    rng = np.random.default_rng(seed)
    measured = rng.normal(size=(30, 4)) + 5
    measured[:, 3] = 1.0
    predicted = measured.mean(axis=0) + np.sqrt(share) * rng.permutation(measured - 5)
    depth = np.zeros(30)
    truth = Truth("S", "P", GENES, measured, depth, measured, sp.csr_matrix((30, 30)))
    return Scored(model, truth, truth.with_prediction(predicted))


def finding(*parts):
    rows = [
        SimpleNamespace(name="mlp", is_network=True, item="spot"),
        SimpleNamespace(name="ridge", is_network=False, item="spot"),
        SimpleNamespace(name="maps", is_network=True, item="bag"),
    ]
    results = SimpleNamespace(
        plan=SimpleNamespace(settings=SimpleNamespace(rows=rows)),
        spread=total_spread([spread_table([part]) for part in parts]),
    )
    return list(collapsed.__wrapped__(results))


def test_the_share_of_each_gene_is_that_of_its_variances():
    table = spread_table([scored("mlp", np.array([0.5, 0.02, 0.0, 1.0]))])
    assert list(table["gene"]) == ["A", "B", "C"], "a constant gene has no share"
    assert (table["predicted"] / table["measured"]).tolist() == pytest.approx([0.5, 0.02, 0])


def test_sections_and_folds_add_up():
    parts = [scored("mlp", np.full(4, 0.5), seed) for seed in (0, 1)]
    whole = spread_table(parts)
    pd.testing.assert_frame_equal(whole, total_spread([spread_table([part]) for part in parts]))
    assert len(whole) == 3


def test_genes_below_a_hundredth_are_counted_and_the_worst_named_first():
    (check,) = finding(scored("mlp", np.array([0.009, 0.011, 0.0001, 1.0])))
    assert check.code == "collapsed"
    assert "mlp 2 of 3 genes, the worst C 0.01%, A 0.90%" in check.message
    assert "B" not in check.message


@pytest.mark.parametrize("model", ["ridge", "maps"])
def test_only_networks_of_spots_are_checked(model):
    assert finding(scored(model, np.full(4, 1e-4)), scored("mlp", np.full(4, 0.5))) == []
