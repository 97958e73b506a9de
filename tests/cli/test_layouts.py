"""The simulated Visium, Visium HD and Xenium go through `check`, `benchmark` and `predict`."""

import pytest

from histoscribe.simulate import simulate
from histoscribe.simulate.layouts import LAYOUTS
from tests.cli.small import histoscribe as histoscribe

SETTINGS = """\
cohort = "cohort.csv"
models = ["mean", "ridge"]
[target]
n_genes = 16
[inputs]
tile_px = 112
mpp = 1.0
encoder = "colour_texture"
[run]
device = "cpu"
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cohort_is_checked_scored_and_predicted(layout, histoscribe, tmp_path):
    simulate(
        tmp_path,
        3,
        layout=layout,
        families=("compartment", "null"),
        genes_per_family=8,
        spots_per_section=30,
    )
    (tmp_path / "run.toml").write_text(SETTINGS)
    checked = histoscribe("check", tmp_path / "cohort.csv", "--out", tmp_path / "qc")
    assert checked.code == 0, checked.err
    assert list((tmp_path / "qc").rglob("*.png"))
    scored = histoscribe("benchmark", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert scored.code == 0, scored.err
    assert (tmp_path / "run" / "report.html").is_file()
    predictor = tmp_path / "run" / "predictors" / "ridge" / "P1"
    predicted = histoscribe(
        "predict", predictor, tmp_path / "cohort.csv", "--section", "P1S1", "--out", tmp_path / "p"
    )
    assert predicted.code == 0, predicted.err
