"""The recipes of TCGN's table run on files that lie as the published ones do."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.data.fold_settings import leaks_in_words
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.train.settings import read_settings
from tests.io.conftest import Writer

RECIPES = Path(__file__).parent.parent / "recipes"
GUARDED, LEAKY = "her2st-tcgn-published", "her2st-tcgn-leaky-published"
SECTIONS = ("A2", "A3", "B1", "B2")
SMALL = (
    'models=["mean", "ridge", "tcgn"]',
    f"sections={list(SECTIONS)}",
    "inputs.encoder=mean_colour",
    "inputs.mpp=10.0",
    "inputs.tile_px=32",
    "target.n_genes=3",
    "train.epochs=2",
    "train.batch_size=8",
    "settings.tcgn.preset=tiny",
    "settings.tcgn.resize_px=64",
    "run.precision=float32",
)


def recipe(name, *overrides):
    return read_settings(RECIPES / f"{name}.toml", overrides)


def test_both_recipes_have_the_published_sizes():
    for name in (GUARDED, LEAKY):
        settings = recipe(name)
        assert (settings.inputs.tile_px, settings.inputs.mpp) == (112, 0.69)
        assert (settings.train.epochs, settings.train.batch_size) == (79, 32)
        assert settings.target.transform == "panel-log10"
        assert (settings.target.panel, settings.target.n_genes) == (
            "variable-in-each-section",
            1000,
        )
        config = settings.row("tcgn").config
        assert config == type(config)(resize_px=224, corners=config.corners)
        assert config.learning_rate == 1e-5
        assert config.corners == ("read" if name == GUARDED else "mean")


def test_the_leaky_recipe_tests_the_published_sections_one_by_one():
    every = sorted(section.section for section in data_set("her2st-published").sections)
    settings = recipe(LEAKY)
    assert settings.sections == tuple(every[1:33])
    assert len(leaks_in_words(settings.folds)) == 3
    assert leaks_in_words(recipe(GUARDED).folds) == ()


@pytest.fixture(scope="module")
def her2st(tmp_path_factory):
    """Four sections of two patients, in the published tree."""
    root = tmp_path_factory.mktemp("data")
    for number, section in enumerate(SECTIONS):
        writer = Writer(tmp_path_factory.mktemp("section"))
        draws = np.random.default_rng(number)
        writer.truth.counts = draws.integers(1, 50, writer.truth.counts.shape)
        writer.truth.colour = np.roll(writer.truth.colour, number, axis=0)  # no twins
        source = writer.st()
        images = root / "her2st" / "ST-imgs" / section[0] / section
        images.mkdir(parents=True)
        with Image.open(source.image) as image:
            image.save(images / "HE.jpg", quality=95)
        for place, path in (("ST-cnts", source.counts), ("ST-spotfiles", source.spots)):
            (root / "her2st" / place).mkdir(exist_ok=True)
            name = f"{section}_selection.tsv" if place == "ST-spotfiles" else f"{section}.tsv.gz"
            shutil.copy(path, root / "her2st" / place / name)
    return root


@pytest.mark.parametrize("name", [GUARDED, LEAKY])
def test_who_is_tested_and_who_chooses_genes_follows_from_the_recipe(
    her2st, tmp_path, monkeypatch, name
):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(her2st))
    plan = make_plan(recipe(name, *SMALL), tmp_path, weights={}, cache=tmp_path)
    leaky = name == LEAKY
    assert len(plan.folds) == (4 if leaky else 2)
    for fold in plan.folds:
        patients = ({section[0] for section in side} for side in (fold.train, fold.test))
        assert bool(set.intersection(*patients)) is leaky
        assert plan.targets[fold.name].panel_saw_test is leaky
        assert fold.validation == ("patient" if leaky else "section")


@pytest.mark.slow
@pytest.mark.parametrize("name", [GUARDED, LEAKY])
def test_a_recipe_trains_on_files_of_the_real_layout(her2st, tmp_path, monkeypatch, name):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(her2st))
    result = benchmark(
        settings=recipe(name, *SMALL), out=tmp_path / "run", cache=tmp_path / "cache"
    )
    summary = result.summary.set_index(["model", "metric"])["mean"]
    assert np.isfinite(summary["tcgn", "median_pcc"])
    codes = {check.code for check in result.checks}
    assert ({"leaky", "leaky-panel", "leaky-epoch"} <= codes) is (name == LEAKY)
    cards = [
        path.read_text() for path in sorted((result.folder / "predictors" / "tcgn").rglob("*.md"))
    ]
    corners = "filled with the mean colour" if name == LEAKY else "was read from the slide"
    assert cards
    assert all(corners in card for card in cards)
    sections = pd.read_csv(result.folder / "scores.csv")["section"]
    assert set(SECTIONS) <= set(sections)
