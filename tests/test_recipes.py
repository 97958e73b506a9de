"""Every file of recipes/ runs as it is, once the files it names are there."""

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from histoscribe.benchmark.bulk_run import make_bulk_plan
from histoscribe.benchmark.plan import make_plan
from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.cohort import read_sources
from histoscribe.train.settings import dump_settings, parse_settings, read_settings
from tests.cli.small import histoscribe

__all__ = ["histoscribe"]

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))
RECIPES_BY_NAME = {path.stem: path for path in RECIPES}
GET_METADATA = {
    "hest": "hf download MahmoodLab/hest",
    "stnet": "https://data.mendeley.com/datasets/29ntw7sh4r/5",
}
"""Kinds whose own metadata lists the sections, and how it is got."""
OWN_FILES = ("bulk-tcga-published", "cscc-tcgn-published")
"""On a manifest of the user's own files; tests of their own run them on made files."""
NOT_HERE = ("hest-bowel",)
"""On data that are not beside the repository."""
WITHOUT_WEIGHTS = "her2st-quick-published"
"""Names an encoder whose weights are not beside the real sections."""


def named(recipes, slow=()):
    marks = [[pytest.mark.slow] if path.stem in slow else [] for path in recipes]
    params = [
        pytest.param(path, id=path.stem, marks=of) for path, of in zip(recipes, marks, strict=True)
    ]
    return pytest.mark.parametrize("recipe", params)


def test_there_are_recipes():
    assert "her2st-quick" in [path.stem for path in RECIPES]


@named(RECIPES)
def test_a_recipe_is_read_and_written_down_the_same(recipe):
    settings = read_settings(recipe)
    again = parse_settings(tomllib.loads(dump_settings(settings)), "again")
    assert again == settings


@named([path for path in RECIPES if path.stem not in OWN_FILES])
def test_a_recipe_stops_only_at_missing_files_and_names_each(
    recipe, histoscribe, tmp_path, monkeypatch
):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "empty"))
    done = histoscribe("benchmark", recipe, "--out", tmp_path / "out")
    assert done.code == 2
    assert not (tmp_path / "out").exists()
    settings = read_settings(recipe)
    data = data_set(settings.cohort.removeprefix("catalog:"))
    if data.kind in GET_METADATA:  # it lists the files, so that is what is missing first
        assert GET_METADATA[data.kind] in done.err
        return
    wanted = settings.sections or tuple(section.section for section in data.sections)
    files = [f for s in data.sections if s.section in wanted for f in s.files]
    assert f"{len(files)} problems" in done.err
    for file in files:
        assert str(tmp_path / "empty" / data.folder / file.local[0]) in done.err


def test_real_data_have_a_published_twin_or_say_why_not():
    by_cohort = defaultdict(list)
    for recipe in RECIPES:
        by_cohort[read_settings(recipe).cohort.removesuffix("-published")].append(recipe)
    for recipes in by_cohort.values():
        if not any(recipe.stem.endswith("-published") for recipe in recipes):
            assert all("# No published twin: " in recipe.read_text() for recipe in recipes)


@pytest.mark.parametrize("name", ["her2st-egn", "her2st-egn-native", "egn-ablations"])
def test_each_recipe_of_exemplars_has_a_twin_at_published_size(name):
    small, published = (
        read_settings(RECIPES_BY_NAME[stem]) for stem in (name, f"{name}-published")
    )
    assert published.inputs.tile_px >= small.inputs.tile_px
    assert {row.model for row in small.rows} >= {row.model for row in published.rows}
    presets = {published.settings.get(row.name, {}).get("preset") for row in published.rows}
    assert not presets & {"small", "tiny"}


def test_the_bowel_recipes_choose_named_patients_of_one_study(tmp_path, monkeypatch):
    """Rows as HEST-1k has them, with a sample that each filter leaves out."""
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    study = read_settings(RECIPES_BY_NAME["hest-bowel"]).where["dataset_title"]
    head = "id,patient,dataset_title,species,organ,oncotree_code,st_technology"
    rows = [
        *(f'ZEN{n},Patient {p},"{study}",Homo sapiens,Bowel,{code},Visium'
          for n, p, code in ((36, 7, "READ"), (40, 7, "READ"), (48, 1, "READ"), (49, 1, "READ"),
                             (46, 2, "COAD"))),
        f'ZEN37,Patient 6,"{study}",Homo sapiens,Bowel,,Visium',
        "TENX29,,Human Colorectal Cancer,Homo sapiens,Bowel,COAD,Visium",
        "TENX149,Patient 1,Characterization,Homo sapiens,Bowel,COAD,Xenium",
    ]  # fmt: skip
    folder = tmp_path / "hest"
    for name in ("st", "wsis"):
        (folder / name).mkdir(parents=True)
    for row in rows:
        sample = row.partition(",")[0]
        (folder / "st" / f"{sample}.h5ad").touch()
        (folder / "wsis" / f"{sample}.tif").touch()
    (folder / "HEST_v1_1_0.csv").write_text("\n".join([head, *rows]) + "\n")
    chosen = {}
    for name in ("hest-bowel", "hest-bowel-published"):
        settings = read_settings(RECIPES_BY_NAME[name])
        sources = read_sources(settings.cohort, settings.sections, settings.where)
        chosen[name] = [source.section for source in sources]
        assert len({source.patient for source in sources}) == (3 if name == "hest-bowel" else 2)
    assert chosen["hest-bowel"] == ["ZEN36", "ZEN40", "ZEN46", "ZEN48", "ZEN49"]
    assert chosen["hest-bowel-published"] == ["ZEN36", "ZEN40", "ZEN48", "ZEN49"]


HERE = [
    path for path in RECIPES if not path.stem.endswith("-published") and path.stem not in NOT_HERE
]


def others_of_a_cohort():
    """Recipes of a cohort and a kind of label that another one reads already, which take seconds.

    Quick recipes come first.
    """
    known, others = set(), []
    for path in sorted(HERE, key=lambda path: not path.stem.endswith("-quick")):
        settings = read_settings(path)
        kind = settings.cohort, settings.bulk.makes_bags
        if kind in known:
            others.append(path.stem)
        known.add(kind)
    return others


@pytest.mark.data
@named(HERE, slow=others_of_a_cohort())
def test_a_recipe_resolves_with_the_files_there(recipe, real_data, tmp_path):
    settings = read_settings(recipe)
    if settings.bulk.makes_bags:
        plan = make_bulk_plan(settings, tmp_path, weights={}, cache=tmp_path)
    else:
        plan = make_plan(settings, tmp_path, weights={}, cache=tmp_path)
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
