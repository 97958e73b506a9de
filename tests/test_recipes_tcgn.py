"""Recipes of TCGN for skin and cortex read made files in the layouts of the public data."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histoscribe.benchmark.run import benchmark
from histoscribe.benchmark.score import EVERY
from histoscribe.data.fold_settings import leaks_in_words
from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.simulate.cohort import simulate
from histoscribe.train.settings import read_settings

RECIPES = Path(__file__).parent.parent / "recipes"
SKIN_ARRAYS = {
    f"{patient}_ST_rep{rep}": patient for patient in ("P2", "P5", "P9", "P10") for rep in (1, 2, 3)
}
"""Section -> patient of the older arrays."""
SKIN_VISIUM = {f"{patient}_rep{rep}": patient for patient in ("P4", "P6") for rep in (1, 2)}
N_SIDE = 8
MADE_GENES = tuple(f"GENE{number}" for number in range(12))


def made_arrays(folder, kind):
    """Twelve sections of four patients in the files of GEO, with a line each in a manifest."""
    lines = ["section,patient,kind,image,counts,spots"]
    for number, (section, patient) in enumerate(SKIN_ARRAYS.items()):
        sample = f"GSM{4284316 + number}"
        image, counts = f"{sample}_{section}.jpg", f"{sample}_{section}_stdata.tsv.gz"
        spots = f"{sample}_spot_data-selection-{section}.tsv.gz"
        _write_array(folder, (image, counts, spots), kind, number)
        lines.append(f"{section},{patient},{kind},{image},{counts},{spots}")
    manifest = folder / "sections.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def _write_array(folder, names, kind, seed):
    rng, step_px = np.random.default_rng(seed), 20
    x, y = np.meshgrid(np.arange(N_SIDE), np.arange(N_SIDE))
    x, y = x.ravel(), y.ravel()
    pixel = np.stack([x, y], axis=1) * float(step_px) + 30
    array = np.stack([x, y], axis=1) + 3
    if kind == "st2k":  # turned by 45 degrees
        array = np.stack([x - y + N_SIDE + 1, x + y + 1], axis=1)
    noise = rng.uniform(-0.02, 0.02, array.shape)
    table = pd.DataFrame({"x": array[:, 0], "y": array[:, 1]})
    table[["new_x", "new_y"]] = array + noise
    table[["pixel_x", "pixel_y"]] = pixel
    table["selected"] = 1
    table.to_csv(folder / names[2], sep="\t", index=False)
    side = 2 * 30 + step_px * (N_SIDE - 1)
    pixels = rng.integers(90, 200, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / names[0], quality=95)
    counts = rng.poisson(rng.gamma(2.0, 3.0, (len(array), len(MADE_GENES))))
    index = [f"{column}x{row}" for column, row in array]
    pd.DataFrame(counts, index=index, columns=MADE_GENES).to_csv(folder / names[1], sep="\t")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Manifest of simulated Visium sections, one of each of three donors."""
    return simulate(
        tmp_path_factory.mktemp("drawn"), n_patients=3, spots_per_section=12,
        families=("compartment",), genes_per_family=4,
    )  # fmt: skip


def of_space_ranger_1(drawn, folder):
    """Copy a simulated section as Space Ranger 1 wrote it: positions without a header."""
    (folder / "spatial").mkdir(parents=True)
    lines = (drawn / "spatial" / "tissue_positions.csv").read_text().splitlines()
    (folder / "spatial" / "tissue_positions_list.csv").write_text("\n".join(lines[1:]) + "\n")


def made_visium(drawn, folder):
    """Four Visium sections of two patients, in folders, with a line each in a manifest."""
    lines = ["section,patient,kind,path,image"]
    for section, patient in SKIN_VISIUM.items():
        of = drawn.parent / {"P4": "P1S1", "P6": "P2S1"}[patient]
        of_space_ranger_1(of, folder / section)
        matrix = "filtered_feature_bc_matrix.h5"
        shutil.copy(of / matrix, folder / section / matrix)
        shutil.copy(of.with_suffix(".jpg"), folder / f"{section}.jpg")
        lines.append(f"{section},{patient},spaceranger,{section},{section}.jpg")
    manifest = folder / "sections.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.fixture
def cortex(drawn, tmp_path, monkeypatch):
    """Simulated sections in the folders and under the names of the cortex data."""
    root = tmp_path / "data"
    donors = list(dict.fromkeys(section.patient for section in data_set("dlpfc").sections))
    for number, section in enumerate(data_set("dlpfc").sections):
        of = drawn.parent / f"P{donors.index(section.patient) + 1}S1"
        folder, id_ = root / "dlpfc" / section.section, section.section
        of_space_ranger_1(of, folder)
        if number % 2:  # under the name that the published file has
            positions = folder / "spatial" / "tissue_positions_list.csv"
            positions.rename(positions.with_suffix(".txt"))
        matrix = "filtered_feature_bc_matrix.h5"
        shutil.copy(of / matrix, folder / f"{id_}_{matrix}")
        with Image.open(of.with_suffix(".jpg")) as image:
            image.save(folder / f"{id_}_full_image.tif")
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(root))


@pytest.mark.parametrize(("kind", "pitch_um"), [("st", 200.0), ("st2k", 141.4)])
def test_sections_of_skin_are_read_from_files_of_older_arrays(kind, pitch_um, tmp_path):
    """Square and staggered arrays: the manifest says which, and the reader checks it."""
    cohort = read_cohort(made_arrays(tmp_path, kind))
    assert cohort.patients == SKIN_ARRAYS
    section = cohort["P10_ST_rep3"]
    assert section.spots.pitch_um == pitch_um
    assert section.slide.mpp == pytest.approx(pitch_um / 20, rel=0.01)
    assert len(section.spots.ids) == N_SIDE**2
    assert section.measured.gene_ids == MADE_GENES


def test_an_older_array_under_the_wrong_kind_is_named_with_the_right_one(tmp_path):
    manifest = made_arrays(tmp_path, "st2k")
    manifest.write_text(manifest.read_text().replace(",st2k,", ",st,"))
    with pytest.raises(DataContractError, match="set kind to st2k"):
        read_cohort(manifest)["P2_ST_rep1"]


def test_sections_of_skin_are_read_from_visium_folders(drawn, tmp_path):
    cohort = read_cohort(made_visium(drawn, tmp_path))
    assert cohort.patients == SKIN_VISIUM
    assert cohort["P6_rep2"].spots.pitch_um == 100.0


@pytest.mark.usefixtures("cortex")
def test_sections_of_cortex_are_read_under_both_names_of_their_positions():
    cohort = read_cohort("catalog:dlpfc")
    assert len(cohort.ids) == 12
    assert len(set(cohort.patients.values())) == 3
    assert cohort["151507"].spots.ids == cohort["151508"].spots.ids  # the second ends in txt


def small(cohort=None, mpp=1.0):
    """A recipe at the size of a test; with `cohort`, on this manifest."""
    where = () if cohort is None else (f"cohort={cohort}",)
    return (
        *where,
        'models=["mean", "tcgn"]',
        "target.n_genes=10",
        "inputs.encoder=colour_texture",
        f"inputs.mpp={mpp}",
        "inputs.tile_px=64",
        "folds.k=2",
        "train.epochs=1",
        "settings.tcgn.preset=tiny",
        "settings.tcgn.resize_px=64",
        "run.precision=float32",
    )


def run_of(recipe, settings, tmp_path):
    read = read_settings(RECIPES / f"{recipe}.toml", settings)
    return benchmark(settings=read, out=tmp_path / "run", cache=tmp_path / "cache")


def patients_of(result):
    """Number of patients with scores of a section."""
    return result.scores[result.scores["section"] != EVERY]["patient"].nunique()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["st2k", "visium"])
def test_the_skin_recipe_trains_on_files_of_each_layout(layout, drawn, tmp_path):
    if layout == "visium":
        settings, n_patients = small(made_visium(drawn, tmp_path), mpp=1.0), 2
    else:
        settings, n_patients = small(made_arrays(tmp_path, layout), mpp=12.0), 4
    result = run_of("cscc-tcgn-published", settings, tmp_path)
    assert patients_of(result) == n_patients
    assert "tcgn" in set(result.summary["model"])


@pytest.mark.slow
@pytest.mark.usefixtures("cortex")
def test_the_cortex_recipe_trains_on_files_of_its_layout(tmp_path):
    result = run_of("dlpfc-tcgn-published", small(), tmp_path)
    assert patients_of(result) == 3
    assert "tcgn" in set(result.summary["model"])


@pytest.mark.parametrize("recipe", ["cscc-tcgn-published", "dlpfc-tcgn-published"])
def test_published_recipes_of_tcgn_test_patients_and_choose_genes_in_training(recipe):
    settings = read_settings(RECIPES / f"{recipe}.toml")
    assert settings.folds.protocol == "patient"
    assert leaks_in_words(settings.folds) == ()
    assert settings.target.listed is None
    assert settings.row("tcgn").config.weights == "file"
