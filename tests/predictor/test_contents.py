"""A predictor folder is checked by content, too: a signed folder with wrong content is refused."""

import json
import re
import shutil
import struct

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.closed_form.linear import LinearEstimator
from histoscribe.predict.slide import predict_slide
from histoscribe.predictor import finite
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM, draw_slide
from tests.predictor.signed import signed

ROWS = ("ridge", "depth", "mean", "knn", "mlp", "egn")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of each kind of model."""
    place = tmp_path_factory.mktemp("contents")
    manifest = tiny_cohort(place / "cohort", n_patients=2)
    for row in ROWS:
        table = {"settings": {row: {"preset": "tiny"}}, "train": {"epochs": 1}}
        settings = tiny_settings(manifest, models=[row], target={"n_genes": 5}, **table)
        train(settings=settings, out=place / row, cache=place / "cache")
    return place


@pytest.fixture
def copied(trained, tmp_path):
    return lambda row: shutil.copytree(trained / row, tmp_path / row)


def put(*keys, value):
    """An edit of the record: the value at these keys."""

    def change(record):
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


def gene_twice(record):
    record["target"]["genes"][1] = record["target"]["genes"][0]


RECORDS = {
    "a gene twice": (gene_twice, "target.genes: a gene twice"),
    "other genes": (put("target", "genes", 0, value="X"), "target.genes: other genes"),
    "a number for a gene": (put("target", "genes", 0, value=3), "target.genes.0"),
    "no genes": (put("target", "genes", value=[]), "target.genes"),
    "other transform": (put("target", "transform", value="cp10"), "target.transform"),
    "state of another": (put("target", "state", value={"low": [1.0]}), "target.state"),
    "unknown key": (put("also", value=1), "also: an unknown key"),
    "model": (put("model", value="rigde"), "did you mean ridge"),
    "settings": (put("settings", value={"alpha": 1}), "model and settings"),
    "mpp": (put("encoding", "mpp", value=-1.0), "encoding.mpp"),
    "mpp as words": (put("encoding", "mpp", value="one"), "encoding.mpp"),
    "a tile without end": (put("encoding", "tile_px", value=10**9), "encoding.tile_px"),
    "weights": (put("encoding", "weights", value="sha256:1"), "encoding.weights"),
    "precision": (put("encoding", "precision", value="int8"), "encoding.precision"),
    "unit": (put("reference", "unit", value=-2.0), "reference.unit"),
    "kind of unit": (put("reference", "unit_of", value="planet"), "reference.unit_of"),
    "um/px": (put("reference", "mpp", value=[2.0, 1.0]), "reference.mpp"),
    "features": (put("card", "n_features", value=3), "estimator.safetensors"),
    "names of genes": (put("card", "gene_names", value=["A"]), "card.gene_names: 1 genes"),
    "a file elsewhere": (put("files", "../x", value="0" * 64), "files: the path"),
    "no file": (put("files", value={}), "files"),
    "a row that is no name": (put("row", value=["ridge"]), "row"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_signed_record_with_wrong_content_is_refused(copied, name):
    change, words = RECORDS[name]
    folder = signed(copied("ridge"), change)
    with pytest.raises(DataContractError, match=re.escape(words)):
        load_predictor(folder)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[" * 100_000, '{"a":' * 50_000])
def test_numbers_that_are_none_and_endless_depth_are_refused(copied, text):
    path = copied("ridge") / "predictor.json"
    path.write_text(re.sub(r'("unit":) [^,]*', rf"\1 {text}", path.read_text(), count=1))
    with pytest.raises(DataContractError, match=r"predictor\.json"):
        load_predictor(path.parent)


def arrays_of(path):
    with safe_open(path, framework="np") as file:
        words = file.metadata()
    return safetensors.numpy.load_file(path), words


def spoil(path, change):
    """Edit the arrays of a file, and keep its words."""
    arrays, words = arrays_of(path)
    change(arrays)
    arrays = {name: np.asarray(of, order="C") for name, of in arrays.items()}
    safetensors.numpy.save_file(arrays, path, words)


def first_float(arrays):
    return next(name for name in sorted(arrays) if arrays[name].dtype.kind == "f")


def with_nan(arrays):
    name = next(n for n in sorted(arrays) if arrays[n].dtype.kind == "f" and n != "target")
    arrays[name] = arrays[name].copy()
    arrays[name].flat[0] = np.nan


def shorter(arrays):
    name = next(n for n in sorted(arrays) if arrays[n].ndim and arrays[n].dtype.kind == "f")
    arrays[name] = arrays[name][:-1]


def as_halves(arrays):
    name = first_float(arrays)
    arrays[name] = arrays[name].astype(np.float16)


SPOILS = {
    "nan": (with_nan, "not finite"),
    "shorter": (shorter, "expected: "),
    "half precision": (as_halves, "float16"),
    "one less": (lambda arrays: arrays.pop(first_float(arrays)), "no tensor"),
    "one more": (lambda arrays: arrays.update(more=np.zeros(3)), "more that nobody reads"),
}
FILES = [
    *((row, "estimator.safetensors") for row in ("ridge", "depth", "mean", "knn")),
    *((row, "weights.safetensors") for row in ("mlp", "egn")),
    ("ridge", "reference.safetensors"),
    ("ridge", "value_range.safetensors"),
    ("egn", "exemplars.safetensors"),
]


@pytest.mark.parametrize("spoiled", SPOILS)
@pytest.mark.parametrize(("row", "file"), FILES, ids=[" ".join(of) for of in FILES])
def test_a_signed_file_with_other_tensors_is_refused(copied, row, file, spoiled):
    folder = copied(row)
    change, words = SPOILS[spoiled]
    spoil(folder / file, change)
    with pytest.raises(DataContractError, match=words) as error:
        load_predictor(signed(folder))
    assert file in str(error.value)


def test_a_network_of_other_layers_is_one_problem(copied):
    folder = copied("egn")

    def rename(arrays):
        for name in list(arrays):
            arrays[f"before.{name}"] = arrays.pop(name)

    spoil(folder / "weights.safetensors", rename)
    with pytest.raises(DataContractError, match="network has changed since: train it") as error:
        load_predictor(signed(folder))
    (problem,) = error.value.problems
    words = r"no tensor .* others; a tensor before.* others that nobody reads"
    assert re.fullmatch(words, problem.found)
    assert len(problem.found) < 600


@pytest.mark.parametrize("n_bytes", [2**40, 50_000_000, 3])
@pytest.mark.parametrize(("row", "file"), FILES, ids=[" ".join(of) for of in FILES])
def test_a_header_is_held_against_the_file_before_it_is_read(copied, row, file, n_bytes):
    folder = copied(row)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(struct.pack("<Q", n_bytes) + content[8:])
    with pytest.raises(DataContractError, match="not readable"):
        load_predictor(signed(folder))


@pytest.mark.parametrize("words", ["{}", "[" * 100_000, '{"sections": 3}', "no JSON"])
def test_words_of_exemplars_are_checked(copied, words):
    folder = copied("egn")
    path = folder / "exemplars.safetensors"
    arrays, _ = arrays_of(path)
    safetensors.numpy.save_file(arrays, path, {"exemplars": words})
    with pytest.raises(DataContractError, match=r"exemplars\.safetensors: no exemplars"):
        load_predictor(signed(folder))


def test_a_range_of_values_starts_with_the_lowest(copied):
    folder = copied("ridge")
    spoil(folder / "value_range.safetensors", lambda arrays: arrays["low"].fill(1e9))
    with pytest.raises(DataContractError, match=r"value_range[\s\S]*the lowest first"):
        load_predictor(signed(folder))


def test_codes_of_exemplars_must_have_names(copied):
    folder = copied("egn")
    spoil(folder / "exemplars.safetensors", lambda arrays: arrays["section"].fill(99))
    with pytest.raises(DataContractError, match="codes 99"):
        load_predictor(signed(folder))


def test_settings_are_under_the_checksum(copied):
    folder = copied("ridge")
    assert "settings.toml" in json.loads((folder / "predictor.json").read_text())["files"]
    with (folder / "settings.toml").open("a") as file:
        file.write("# another\n")
    with pytest.raises(DataContractError, match=r"settings\.toml[\s\S]*sha256"):
        load_predictor(folder)


def test_a_predictor_of_an_older_version_says_what_to_do(copied):
    folder = signed(copied("ridge"), put("format", value=5))
    with pytest.raises(DataContractError, match=r"format 5[\s\S]*format 7[\s\S]*train it again"):
        load_predictor(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_stops_with_its_place(
    trained, tmp_path, monkeypatch, value
):
    whole = LinearEstimator.predict

    def predict(self, feature):
        values = whole(self, feature)
        values[1, 2] = value
        return values

    monkeypatch.setattr(LinearEstimator, "predict", predict)
    cohort = read_cohort(trained / "cohort" / "cohort.csv")
    predictor, section = load_predictor(trained / "ridge"), cohort["P1S1"]
    with pytest.raises(DataContractError, match=f"section P1S1, spot {section.spots.ids[1]}: 1 "):
        predictor(section, trained / "cache")
    slide = draw_slide(tmp_path / "new.png")
    with pytest.raises(DataContractError, match=r"section new, spot .*: 1 predicted values"):
        predict_slide(predictor, slide, mpp=MPP, spacing_um=SPACING_UM)
    bags = np.ones((3, predictor.card.n_features), dtype=np.float32)
    with pytest.raises(DataContractError, match="bag 2: 1 predicted"):
        predictor.fitted.predict_means(bags)


def test_a_value_that_is_not_finite_names_its_place():
    values = np.ones((8, 3))
    values[2:, 1] = np.inf
    with pytest.raises(DataContractError, match=r"spot 2; .*spot 6 and 1 more: 6 predicted"):
        finite.check_finite(values, lambda row: f"spot {row}")
    finite.check_finite(values[:2], str)
