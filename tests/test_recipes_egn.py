"""The recipes of the EGN paper's table resolve where the data lie as their catalog says."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoscribe.benchmark.plan import make_plan
from histoscribe.data.fold_checks import twins_across
from histoscribe.data.fold_settings import leaks_in_words
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.stnet_folder import METADATA
from histoscribe.simulate.cohort import simulate
from histoscribe.train.settings import read_settings
from tests.io.conftest import Writer

RECIPES = Path(__file__).parent.parent / "recipes"
PICTURE = {
    "A1-1.0.0": "P1S1",
    "A2-1.0.0": "P1S2",
    "A1-1.1.0": "P1S1",
    "A2-1.1.0": "P1S2",
    "L-1.2.0": "P2S1",
    "L-targeted-1.2.0": "P2S1",
}
"""Run -> the simulated section that stands for its tissue."""
SMALL = ('models=["mean", "ridge"]', "inputs.encoder=colour_texture", "inputs.tile_px=64")


def plan_of(recipe, out, *overrides):
    settings = read_settings(RECIPES / f"{recipe}.toml", (*SMALL, *overrides))
    return make_plan(settings, out, weights={}, cache=out)


@pytest.fixture(scope="module")
def tenx(tmp_path_factory):
    """Simulated sections in the folders and under the names of the public runs."""
    root = tmp_path_factory.mktemp("data")
    manifest = simulate(
        root / "drawn", n_patients=2, sections_per_patient=2, spots_per_section=30,
        genes_per_family=6,
    )  # fmt: skip
    for section in data_set("10x-breast").sections:
        drawn, run = manifest.parent / PICTURE[section.section], section.facts["run"]
        folder = root / "10x-breast" / str(section.folder)
        (folder / "spatial").mkdir(parents=True)
        matrix = "filtered_feature_bc_matrix.h5"
        shutil.copy(drawn / matrix, folder / f"{run}_{matrix}")
        shutil.copy(drawn / "spatial" / "scalefactors_json.json", folder / "spatial")
        lines = (drawn / "spatial" / "tissue_positions.csv").read_text().splitlines()
        without_header = "\n".join(lines[1:]) + "\n"  # as Space Ranger 1 wrote it
        (folder / "spatial" / "tissue_positions_list.csv").write_text(without_header)
        with Image.open(drawn.with_suffix(".jpg")) as image:
            image.save(folder / f"{run}_image.tif")
    return root


@pytest.fixture
def here(tenx, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tenx))


TENX = ("inputs.mpp=1.0", "target.n_genes=6")


def test_the_guarded_10x_recipe_tests_one_person_and_trains_on_two_sections_of_the_other(
    here, tmp_path
):
    plan = plan_of("egn-10x-published", tmp_path, *TENX)
    (fold,) = plan.folds
    assert (set(fold.train), set(fold.test)) == ({"A1-1.1.0", "A2-1.1.0"}, {"L-1.2.0"})
    assert leaks_in_words(plan.settings.folds) == ()
    assert plan.targets[fold.name].sections == ("A1-1.1.0", "A2-1.1.0")


def test_in_every_fold_of_the_published_10x_protocol_a_test_picture_is_in_training(here, tmp_path):
    plan = plan_of("egn-10x-leaky-published", tmp_path, *TENX)
    assert len(plan.folds) == 3
    for fold in plan.folds:
        assert list(twins_across(plan.run_data.cohort, fold))
        assert {plan.run_data.cohort.patients[id_] for id_ in fold.test} <= {
            plan.run_data.cohort.patients[id_] for id_ in fold.train
        }
        assert plan.targets[fold.name].panel_saw_test
    tested = sorted(id_ for fold in plan.folds for id_ in fold.test)
    assert tested == sorted(PICTURE)
    assert len(leaks_in_words(plan.settings.folds)) == 3


@pytest.fixture(scope="module")
def stnet(tmp_path_factory):
    """Five patients with two sections each, in the layout of the ST-Net data set."""
    root = tmp_path_factory.mktemp("data")
    (root / "stnet").mkdir()
    lines = []
    for number in range(10):
        writer = Writer(tmp_path_factory.mktemp("section"))
        noise = np.random.default_rng(number).integers(1, 50, writer.truth.counts.shape)
        writer.truth.counts = noise
        writer.truth.colour = np.roll(writer.truth.colour, number, axis=0)  # no twins
        source = writer.stnet()
        head, line = (writer.folder / METADATA).read_text().splitlines()
        patient, replicate = f"BC{number // 2}", f"C{number % 2 + 1}"
        for path in (source.image, source.counts, source.spots):
            shutil.copy(path, root / "stnet" / path.name.replace("1_C1", f"{number}_x"))
        line = line.replace("1_C1", f"{number}_x")
        lines.append(line.replace(",BC1,C1,", f",{patient},{replicate},"))
    (root / "stnet" / METADATA).write_text("\n".join([head, *lines]) + "\n")
    return root


@pytest.mark.parametrize("recipe", ["egn-stnet-published", "egn-stnet-leaky-published"])
def test_the_stnet_recipes_have_four_folds_by_what_they_name(recipe, stnet, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(stnet))
    plan = plan_of(recipe, tmp_path, "inputs.mpp=10.0", "target.n_genes=2")
    patients = plan.run_data.cohort.patients
    assert len(set(patients.values())) == 5
    assert len(plan.folds) == 4
    leaks = "leaky" in recipe
    assert sorted(id_ for fold in plan.folds for id_ in fold.test) == sorted(patients)
    shared = [
        {patients[id_] for id_ in fold.train} & {patients[id_] for id_ in fold.test}
        for fold in plan.folds
    ]
    assert any(shared) is leaks
    assert {target.panel_saw_test for target in plan.targets.values()} == {leaks}
