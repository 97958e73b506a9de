"""A benchmark with concepts: what its cards, its checks and its report say of them."""

import json

import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.predictor.steering_curve import STEERING_FILE
from histoscribe.report import write
from histoscribe.report.training_curves import training_curves

pytestmark = pytest.mark.slow

STEER = {"unlearn": ["eosin_density"], "unlearn_weight": 30.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steered")
    cohort = hs.simulate(
        folder / "cohort", 3, families=("density",), genes_per_family=4, spots_per_section=24
    )
    hs.benchmark(
        cohort,
        ["mean", "mlp"],
        out=folder / "run",
        cache=folder / "cache",
        steer=STEER,
        target={"n_genes": 4},
        inputs={"tile_px": 64, "mpp": 0.7},
        train={"epochs": 3, "keep": "last"},
    )
    return folder / "run"


def test_cards_say_what_steered_the_networks(run):
    card = (run / "card.md").read_text()
    assert "eosin_density unlearned by gradient reversal (weight 30)" in card
    assert "**A side task outweighed the genes**" in card
    assert card.count("Concepts steered the training") == 3
    models = json.loads((run / "card.json").read_text())["models"]
    assert "steer" not in models["mean"]
    assert models["mlp"]["steer"]["P1"]["unlearn"] == ["eosin_density"]
    own = (run / "predictors" / "mlp" / "P1" / "MODEL_CARD.md").read_text()
    assert "Share of the gradient at the representation: genes" in own


def test_a_concept_that_outweighs_the_genes_is_a_finding(run):
    checks = json.loads((run / "card.json").read_text())["checks"]
    (check,) = [check for check in checks if check["code"] == "side-task"]
    assert "mlp in fold P1 (most: eosin_density)" in check["message"]


def test_shares_of_every_epoch_are_in_a_table_and_add_up(run):
    path = run / "predictors" / "mlp" / "P1" / STEERING_FILE
    table = pd.read_csv(path)
    assert table["aim"].to_list() == 3 * ["main"] + 3 * ["unlearn"]
    assert table.groupby("epoch")["share"].sum().to_list() == pytest.approx([1, 1, 1], abs=1e-5)
    predictor = hs.load_predictor(path.parent)
    assert predictor.model.choice["steering"]["genes"]["aim"] == "main"
    assert not any("concept" in name for name in predictor.model.state_dict())


def test_the_report_draws_the_shares(run):
    (curves,) = training_curves(run, ("mean", "mlp"))
    assert [line.name for line in curves.shares.lines] == ["genes", "eosin_density"]
    write(run)
    page = (run / "report.html").read_text()
    assert "Share of each loss of mlp by epoch" in page
    assert "A side task outweighs the genes" in page
