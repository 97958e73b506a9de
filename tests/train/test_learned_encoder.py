"""An encoder that each fold trains for itself, and weights beside encoders, in whole runs."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial import KDTree

from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark, run_cells
from histoscribe.data.folds import make_folds, whole_fold
from histoscribe.data.images import stored_tiles
from histoscribe.data.tissue import tissue_mask
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor.saving import load_predictor
from histoscribe.train import encoders, fold_tiles
from histoscribe.train import weight_needs as needed
from histoscribe.train.encoders import encoder_source
from histoscribe.train.fold_tiles import FoldTiles
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings

LEARNED = {
    "models": ["ridge"],
    "inputs": {"tile_px": 64, "mpp": 1.0, "encoder": "egn-extractor"},
    "extractor": {
        "steps": 2,
        "batch_size": 4,
        "width": 8,
        "full_width_px": 8,
        "encoder_channels": 2,
        "windows_per_section": 20,
    },
}


def drawn(name=None, *, given=None):
    del given
    return load_perceptual(name, random_seed=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    tiny_cohort(folder / "cohort", n_patients=2)
    return folder


def settings_of(place, **changes):
    return tiny_settings(next((place / "cohort").glob("*.csv")), **changes)


def needs_of_encoder(settings):
    tiles = FoldTiles(settings, read_cohort(settings.cohort), Path("nowhere"))
    return encoder_source(None, settings, {}, tiles).needs()


def test_a_predictor_with_an_extractor_takes_the_scores_of_its_benchmark(place, monkeypatch):
    monkeypatch.setattr(encoders, "load_reconstruction_loss", drawn)
    settings, cache = settings_of(place, **LEARNED), place / "cache"
    run, out = place / "run", place / "out"
    benchmark(settings=settings, out=run, cache=cache)
    first = train(settings=settings, out=out, cache=cache, scores=run)
    assert first.gene_score_values
    section = read_cohort(settings.cohort)["P1S1"]
    assert (
        load_predictor(out)(section, cache).head.gene_facts.keys() == first.gene_score_values.keys()
    )
    # the finished predictor has its extractor: none is trained to see that it is the one
    shutil.rmtree(cache / "extractors")
    assert train(settings=settings, out=out, cache=cache).hash == first.hash
    assert not (cache / "extractors").exists()


def test_weights_that_are_nowhere_are_all_said_before_the_work(place, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    settings = settings_of(
        place,
        models=["stnet", "egn"],
        inputs={"tile_px": 96, "mpp": 1.0, "encoder": "egn-extractor"},
        settings={"egn": {"preset": "tiny", "encoder": "mean_colour"}},
        exemplars={"n": 2, "distance": "lpips"},
        folds={"protocol": "section"},
    )
    with pytest.raises(DataContractError) as caught:
        make_plan(settings, tmp_path / "run", weights={}, cache=tmp_path / "cache")
    said = str(caught.value)
    assert "64, 128, 256 px" in said
    assert 'settings.stnet.weights = "random"' in said
    assert "perceptual distance" in said
    assert not (tmp_path / "cache" / "tiles").exists()


def test_nets_that_the_settings_leave_without_channels_are_refused_before_the_work(place):
    thin = {**LEARNED["extractor"], "full_width_px": 4}
    settings = settings_of(place, **{**LEARNED, "extractor": thin})
    with pytest.raises(DataContractError, match=r"extractor: 8 channels[\s\S]*extractor\.width"):
        needs_of_encoder(settings)


def test_a_run_goes_on_with_the_weights_it_began_with(place, monkeypatch):
    settings = settings_of(place, models=["egn"], exemplars={"distance": "lpips"})
    row, seed = settings.rows[0], iter((1, 2))

    def another(*_, **__):
        return load_perceptual(random_seed=next(seed))

    monkeypatch.setattr("histoscribe.data.exemplars.lookup.load_perceptual", another)
    assert needed.row_needs(row, {}) != needed.row_needs(row, {})
    assert not needed.row_needs(settings_of(place, models=["ridge"]).rows[0], {})


@pytest.mark.parametrize("setting", [{"layer": "features.10"}, {"weights": "random"}])
def test_a_setting_of_frozen_nets_is_refused_beside_an_encoder_that_is_trained(place, setting):
    settings = settings_of(place, **{**LEARNED, "inputs": {**LEARNED["inputs"], **setting}})
    with pytest.raises(DataContractError, match=f"inputs.{next(iter(setting))}"):
        needs_of_encoder(settings)


def test_windows_of_a_fold_are_kept_on_disk_for_all_folds(place, tmp_path):
    settings = settings_of(place, **LEARNED)
    tiles = FoldTiles(settings, read_cohort(settings.cohort), tmp_path)
    folds = make_folds(tiles.cohort, settings.folds, settings.seed)
    made = [tiles.windows(fold) for fold in folds]
    assert [of.n_rows for of in made] == [20 * len(fold.train) for fold in folds]
    assert len({of.identity for of in made}) == len(folds)
    assert not (tmp_path / "tiles").exists()  # an encoder in the cache needs no windows
    rows = np.arange(made[0].n_rows)
    pixels = [of.read(rows) for of in made]
    assert len(list((tmp_path / "tiles").iterdir())) == len(tiles.cohort)
    again = FoldTiles(settings, read_cohort(settings.cohort), tmp_path).windows(folds[0])
    assert again.identity == made[0].identity
    assert torch.equal(again.read(rows), pixels[0])


def test_windows_of_a_divided_section_lie_on_the_side_of_its_training_spots(
    place, tmp_path, monkeypatch
):
    settings = settings_of(place, **LEARNED, folds={"protocol": "spot", "k": 3})
    tiles = FoldTiles(settings, read_cohort(settings.cohort), tmp_path)
    folds = make_folds(tiles.cohort, settings.folds, settings.seed)
    made = [tiles.windows(fold) for fold in folds]
    assert len({of.identity for of in made}) == 3  # folds share no extractor
    drawn = []

    def kept(section, *args, **given):
        drawn.append(section)
        return stored_tiles(section, *args, **given)

    monkeypatch.setattr(fold_tiles, "stored_tiles", kept)
    for fold, of in zip(folds, made, strict=True):
        drawn.clear()
        of.read(np.arange(1))
        assert [section.id for section in drawn] == sorted(fold.train)
        for section in drawn:
            xy = tiles.cohort[section.id].spots.xy
            to_train, to_test = (
                KDTree(xy[side[section.id]]).query(section.spots.xy)[0]
                for side in (fold.train, fold.test)
            )
            # the centre of its mask px is nearer to a training spot: half its diagonal away at most
            half = np.hypot(*tissue_mask(section.slide).px_per_mask_px) / 2
            assert (to_train <= to_test + 2 * half).all()


def test_training_sections_without_tissue_are_all_named(place, tmp_path):
    shutil.copytree(place / "cohort", tmp_path / "cohort")
    for grey, picture in enumerate((tmp_path / "cohort").glob("*.jpg"), start=240):
        with Image.open(picture) as tissue:
            blank = Image.new("RGB", tissue.size, (grey,) * 3)
        blank.save(picture)
    settings = settings_of(tmp_path, **LEARNED)
    tiles = FoldTiles(settings, read_cohort(settings.cohort), tmp_path)
    with pytest.raises(DataContractError) as caught:
        tiles.windows(whole_fold(tiles.cohort)).read(np.arange(1))
    assert len(caught.value.problems) == len(tiles.cohort)


def extractor_beside(place, folder, image):
    """Weights and card of the extractor of the fold that tests P2, with this picture of P2."""
    shutil.copytree(place / "cohort", folder / "cohort")
    shutil.copy(image, folder / "cohort" / "P2S1.jpg")
    settings = settings_of(folder, **LEARNED, folds={"test": [["P2"]]})
    run_cells(make_plan(settings, folder / "run", weights={}, cache=folder / "cache"))
    made = folder / "run" / "predictors" / "ridge" / "P2"
    card = (made / "predictor.json").read_text()
    assert "uniform weights on torchvision:squeezenet1_0 random:1" in card
    return (made / "encoder.safetensors").read_bytes()


def windows_of_all(monkeypatch):
    """The extractor is trained on the test section too."""
    honest = FoldTiles.windows

    def leaky(tiles, fold):
        everything = {**fold.train, **fold.test}
        return honest(tiles, replace(fold, train=everything))

    monkeypatch.setattr(FoldTiles, "windows", leaky)


@pytest.mark.parametrize("leak", [None, windows_of_all])
def test_the_extractor_of_a_fold_does_not_notice_another_picture_of_its_test_patient(
    place, tmp_path, monkeypatch, leak
):
    monkeypatch.setattr(encoders, "load_reconstruction_loss", drawn)
    if leak is not None:
        leak(monkeypatch)
    with Image.open(place / "cohort" / "P2S1.jpg") as picture:
        picture.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "turned.jpg")
    kept, turned = place / "cohort" / "P2S1.jpg", tmp_path / "turned.jpg"
    one, two = (extractor_beside(place, tmp_path / p.stem, p) for p in (kept, turned))
    assert (one == two) is (leak is None)
