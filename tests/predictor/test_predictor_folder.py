"""The predictor folder: exact, complete, checked, and nothing in it that runs."""

import json
import shutil
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.catalog import list_models
from histoscribe.predictor.saving import load_predictor, save_predictor
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predictor.signed import signed

NET = "torchvision:squeezenet1_0"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictors")
    tiny_cohort(folder / "cohort", n_patients=2)
    return folder


@pytest.fixture(scope="module")
def cohort(place):
    return read_cohort(next((place / "cohort").glob("*.csv")))


def trained(place, name, model, **changes):
    manifest = next((place / "cohort").glob("*.csv"))
    tiny = {model: {"preset": "tiny"}}
    table = {"settings": tiny, "train": {"epochs": 2}, **changes}
    settings = tiny_settings(manifest, models=[model], **table)
    return train(settings=settings, out=place / name, cache=place / "cache")


@pytest.fixture(scope="module", params=list_models())
def fitted(request, place):
    return trained(place, request.param, request.param), place / request.param


def test_a_loaded_predictor_predicts_the_same_bits(fitted, cohort, place):
    before, folder = fitted
    after = load_predictor(folder)
    one, two = (predictor(cohort["P1S1"], place / "cache") for predictor in (before, after))
    assert one.values.tobytes() == two.values.tobytes()
    assert (one.genes, one.head.unit, one.head.predictor) == (
        two.genes,
        two.head.unit,
        two.head.predictor,
    )
    assert after.model.choice == json.loads(json.dumps(before.model.choice))


def test_a_folder_holds_the_promised_files_and_nothing_that_runs(fitted):
    predictor, folder = fitted
    names = {path.name for path in folder.iterdir()}
    assert ("training.csv" in names) == bool(predictor.fitted.members)
    named = {"weights.safetensors", "estimator.safetensors", "exemplars.safetensors"}
    assert names - named - {"training.csv"} == {
        "MODEL_CARD.md",
        "predictor.json",
        "reference.safetensors",
        "settings.toml",
        "value_range.safetensors",
    }
    for path in folder.iterdir():
        assert not zipfile.is_zipfile(path), path
        if path.suffix == ".safetensors":  # arrays and a JSON header, by its own strict reader
            safetensors.numpy.load_file(path)
        else:
            path.read_text(encoding="utf-8")


def test_training_again_changes_nothing(fitted, place):
    predictor, folder = fitted
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert trained(place, folder.name, folder.name).hash == predictor.hash
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_predictor_of_other_data_is_never_taken_for_this_run(place, tmp_path):
    trained(place, "ridge", "ridge")
    shutil.copytree(place / "cohort", tmp_path / "cohort")
    done = shutil.copytree(place / "ridge", tmp_path / "done")
    settings = done / "settings.toml"
    settings.write_text(settings.read_text().replace(str(place), str(tmp_path)))
    signed(done)
    assert trained(tmp_path, "done", "ridge").hash == load_predictor(done).hash
    begun = tmp_path / "begun" / "resume" / "data"
    begun.mkdir(parents=True)
    (begun / "P1S1.json").write_text("another image")
    for name in ("done", "begun"):
        with h5py.File(
            tmp_path / "cohort" / "P1S1" / "filtered_feature_bc_matrix.h5", "r+"
        ) as matrix:
            matrix["matrix/data"][:] += 1
        with pytest.raises(DataContractError, match=r"other (settings or )?data"):
            trained(tmp_path, name, "ridge")


@pytest.fixture
def copied(place, tmp_path):
    trained(place, "ridge", "ridge")
    return shutil.copytree(place / "ridge", tmp_path / "copy")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_changed_byte_is_refused(copied, share):
    path = copied / "estimator.safetensors"
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataContractError, match=r"estimator[\s\S]*sha256[\s\S]*train it again"):
        load_predictor(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("pearson-residuals", "pearson-residualz", 1),
        lambda text: text.replace('"tile_px": 64', '"tile_px": 65'),
        lambda text: text[:-20],
        lambda text: text.replace('"format": 7', '"format": 4'),
        lambda _: "[1]",
        lambda _: "",
    ],
)
def test_a_changed_record_is_refused(copied, change):
    path = copied / "predictor.json"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(DataContractError, match=r"predictor\.json"):
        load_predictor(copied)


@pytest.mark.parametrize("name", ["weights.safetensors", "genes.csv", "exemplars.safetensors"])
def test_a_file_of_another_predictor_is_refused(copied, name):
    (copied / name).write_bytes(b"")
    with pytest.raises(DataContractError, match=f"{name}: a file that predictor.json does not"):
        load_predictor(copied)


def test_what_a_killed_save_left_behind_is_no_part_of_the_next(place, copied):
    (copied / "predictor.json").unlink()
    (copied / "genes.csv").write_text("of a run with --benchmark, killed before its record")
    predictor = load_predictor(place / "ridge")
    assert save_predictor(predictor, copied).hash == load_predictor(copied).hash
    assert load_predictor(copied).benchmark is None


def test_a_file_of_the_users_own_is_no_business_of_the_predictor(copied):
    (copied / "notes.txt").write_text("mine")
    assert load_predictor(copied).hash


def test_a_changed_card_in_words_is_refused(copied):
    path = copied / "MODEL_CARD.md"
    path.write_text(path.read_text().replace("Diagnosis", "diagnosis"))
    with pytest.raises(DataContractError, match=r"MODEL_CARD\.md[\s\S]*sha256"):
        load_predictor(copied)


def test_missing_files_are_refused(copied, tmp_path):
    (copied / "estimator.safetensors").unlink()
    with pytest.raises(DataContractError, match=r"estimator\.safetensors: no such file"):
        load_predictor(copied)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataContractError, match=r"no predictor\.json"):
            load_predictor(folder)


def test_other_encoder_weights_than_those_trained_with_are_refused(place, cohort, tmp_path):
    import torchvision

    def weights(seed):
        torch.manual_seed(seed)
        path = tmp_path / f"{seed}.safetensors"
        net = torchvision.models.squeezenet1_0(weights=None)
        safetensors.torch.save_file(net.state_dict(), path)
        return {NET: path}

    with torch.random.fork_rng(devices=[]):
        right, wrong = weights(1), weights(2)
    manifest = next((place / "cohort").glob("*.csv"))
    inputs = {"tile_px": 64, "mpp": 1.0, "encoder": NET, "layer": "features.3"}
    settings = tiny_settings(manifest, models=["ridge"], inputs=inputs)
    train(settings=settings, out=tmp_path / "net", cache=tmp_path / "cache", weights=right)
    predict = load_predictor(tmp_path / "net", right)
    assert predict(cohort["P1S1"], tmp_path / "cache").values.shape[1] == 12
    with pytest.raises(DataContractError, match=r"sha256[\s\S]*training[\s\S]*--weights"):
        load_predictor(tmp_path / "net", wrong)(cohort["P1S1"], tmp_path / "cache")
    with pytest.raises(DataContractError, match=f"--weights {NET}=FILE"):
        load_predictor(tmp_path / "net")(cohort["P1S1"], tmp_path / "cache")


@pytest.mark.parametrize(
    "inputs",
    [
        {"encoder": "colour_texture"},
        {"encoder": NET, "layer": "features.3", "weights": "random"},
    ],
    ids=["colour_texture", "random net"],
)
def test_pixels_have_a_gradient_and_give_the_prediction_of_their_features(
    place, cohort, inputs, request
):
    name = f"pixels-{len(inputs)}"
    # tiles as they are read, so that the pixels here are those the features were made of
    inputs = {"tile_px": 64, "mpp": 1.0, "white_off_tissue": False, **inputs}
    predictor = trained(place, name, "mlp", inputs=inputs)
    section = cohort["P1S1"]
    tiles = [section.slide.read((x, y), 64, 1.0) for x, y in section.spots.xy[:4]]
    image = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float().requires_grad_()
    output = predictor.from_pixels(image).expression
    expected = predictor(section, place / "cache").values[:4]
    np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    output.sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    assert (image.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_pixels_are_shown_the_exemplars_that_look_like_them(place, cohort, monkeypatch):
    net = load_perceptual(random_seed=1)
    monkeypatch.setattr("histoscribe.data.exemplars.lookup.load_perceptual", lambda *_, **__: net)
    inputs = {"tile_px": 64, "mpp": 1.0, "white_off_tissue": False}
    exemplars = {"n": 2, "distance": "lpips"}
    changes = {"inputs": inputs, "exemplars": exemplars, "train": {"epochs": 1}}
    predictor = trained(place, "by-look", "egn", **changes)
    # pixels are nobody's
    section = replace(cohort["P1S1"].take(np.arange(4)), patient=None, counts=None)
    tiles = [section.slide.read((x, y), 64, 1.0) for x, y in section.spots.xy]
    image = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float().requires_grad_()
    output = predictor.from_pixels(image).expression
    expected = predictor(section, place / "cache").values
    np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    output.sum().backward()
    assert (image.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_an_estimator_has_no_gradient_and_says_so(place):
    with pytest.raises(TypeError, match="ridge is no network"):
        trained(place, "ridge", "ridge").from_pixels(torch.zeros(1, 3, 64, 64))
