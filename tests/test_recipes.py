"""Every file of recipes/ runs as it is, once the files it names are there."""

import tomllib
from pathlib import Path

import pytest

from histoscribe.benchmark.plan import make_plan
from histoscribe.errors import DataContractError
from histoscribe.io.catalog import data_set
from histoscribe.train.config import dump_settings, parse_settings, read_settings
from tests.cli.small import histoscribe

__all__ = ["histoscribe"]

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))
WITHOUT_WEIGHTS = "her2st-quick-published"
"""Names an encoder whose weights are not beside the real sections."""


def named(recipes):
    return pytest.mark.parametrize("recipe", recipes, ids=[path.stem for path in recipes])


def test_there_are_recipes():
    assert "her2st-quick" in [path.stem for path in RECIPES]


@named(RECIPES)
def test_a_recipe_is_read_and_written_down_the_same(recipe):
    settings = read_settings(recipe)
    again = parse_settings(tomllib.loads(dump_settings(settings)), "again")
    assert again == settings


@named(RECIPES)
def test_a_recipe_stops_only_at_missing_files_and_names_each(
    recipe, histoscribe, tmp_path, monkeypatch
):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "empty"))
    done = histoscribe("benchmark", recipe, "--out", tmp_path / "out")
    assert done.code == 2
    settings = read_settings(recipe)
    data = data_set(settings.cohort.removeprefix("catalog:"))
    wanted = settings.sections or tuple(section.section for section in data.sections)
    files = [f for s in data.sections if s.section in wanted for f in s.files]
    assert f"{len(files)} problems" in done.err
    for file in files:
        assert str(tmp_path / "empty" / data.folder / file.local[0]) in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@named([path for path in RECIPES if not path.stem.endswith("-published")])
def test_a_recipe_resolves_with_the_files_there(recipe, real_data, tmp_path):
    plan = make_plan(read_settings(recipe), tmp_path, weights={}, cache=tmp_path)
    assert len(plan.folds) == len(plan.targets) >= 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_a_recipe_without_its_weights_says_where_they_are_looked_for(
    real_data, tmp_path, monkeypatch
):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    (recipe,) = [path for path in RECIPES if path.stem == WITHOUT_WEIGHTS]
    with pytest.raises(DataContractError) as caught:
        make_plan(read_settings(recipe), tmp_path, weights={}, cache=tmp_path)
    (problem,) = caught.value.problems
    for folder in (real_data, tmp_path / "cache"):
        assert str(folder / "weights" / "resnet50" / "model.safetensors") in problem.found
    assert "--weights torchvision:resnet50=FILE" in problem.remedy
