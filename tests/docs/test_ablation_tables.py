"""The ablations of a run are printed as in the paper: every row once, with its own figures."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from histoscribe.train.settings import dump_settings, read_settings

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("egn-ablations*.toml"))

SHIFTS = {"PCC@F": 0.3, "PCC@S": 0.6, "PCC@M": 0.0, "pcc_given_depth": 0.45, "pcc": 0.9}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "ablation_tables", ROOT / "docs" / "figures" / "ablation_tables.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_of(recipe: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """A run folder whose scores differ from row to row; gives each row's mean as printed."""
    settings = read_settings(recipe)
    (folder / "settings.toml").write_text(dump_settings(settings))
    means = {row.name: 0.001 * (100 + number) for number, row in enumerate(settings.rows)}
    rows = [
        (name, metric, mean + shift)
        for name, mean in means.items()
        for metric, shift in SHIFTS.items()
    ]
    pd.DataFrame(rows, columns=["model", "metric", "mean"]).to_csv(folder / "summary.csv")
    return folder, {name: f"{mean:.3f}" for name, mean in means.items()}


@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_row_stands_in_one_table_and_the_whole_network_in_all(script, recipe, tmp_path):
    run, printed = run_of(recipe, tmp_path)
    text = script.tables(run)
    assert all(text.count(f" {mean} |") == 1 for name, mean in printed.items() if name != "egn")
    assert text.count(f" {printed['egn']} |") == 4


def test_numbers_of_exemplars_are_in_order_and_complete(script, tmp_path):
    run, _ = run_of(ROOT / "recipes" / "egn-ablations.toml", tmp_path)
    figure = script.tables(run).partition("Figure 7")[2].partition("###")[0]
    numbers = [line.split("|")[1].strip() for line in figure.splitlines() if line.startswith("|")]
    assert numbers[2:] == [str(n) for n in range(1, 16)]


def test_the_papers_figures_stand_beside_its_own_rows_only(script, tmp_path):
    run, printed = run_of(ROOT / "recipes" / "egn-ablations-published.toml", tmp_path)
    text = script.tables(run)
    for row, paper in (
        ("e-cosine", "0.183"),
        ("frozen-l2", "0.189"),
        ("frozen-cosine", "0.194"),
        ("lpips", "0.174"),
        ("bridge-4-64-2", "0.176"),
        ("bridge-16-64-2", "0.182"),
        ("linear-probe", "0.156"),
        ("backbone-only", "0.180"),
        ("no-bridge", "0.170"),
        ("no-projector", "0.185"),
        ("bridge-8-128-2", ""),
    ):
        (line,) = [line for line in text.splitlines() if f" {printed[row]} |" in line]
        assert line.split("|")[-2].strip() == paper, line
