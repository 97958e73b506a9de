"""Models of a user's file on the command line."""

import json

import pytest

from histoscribe.models.plugins import load_plugin
from histoscribe.predictor.saving import load_predictor
from tests.plugin_files import MIDDLE, forget, no_plugins

__all__ = ["no_plugins"]
pytestmark = pytest.mark.usefixtures("no_plugins")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "middle_model.py"
    path.write_text(MIDDLE)
    return path


def test_a_predictor_stores_no_code_and_names_its_plug_in(histoscribe, cohort, tmp_path, file):
    made, option = tmp_path / "made", ["--plugin", file]
    predict = ["predict", made, cohort.manifest, "--section", "P1S", "--out"]
    train = ["train", cohort.settings, "--out", made, "--model", "middle", *option]
    assert "middle" in histoscribe("models", *option).out
    assert histoscribe(*train).code == 0
    assert not [path for path in made.rglob("*") if "np.median" in path.read_text("latin-1")]
    forget(file)
    refused = histoscribe(*predict, tmp_path / "one")
    assert refused.code == 2
    assert "it came from the file middle_model.py, sha256 " in refused.err
    assert "give --plugin middle_model.py" in refused.err
    assert histoscribe(*predict, tmp_path / "one", *option).code == 0
    file.write_text(MIDDLE + "# changed\n")
    load_plugin(file)
    with pytest.warns(UserWarning, match="'middle' has changed since training"):
        load_predictor(made)
    again = histoscribe(*train)
    assert again.code == 2
    assert "model_sources.json: this folder holds a run with other" in again.err


@pytest.mark.slow
def test_a_model_of_a_file_is_benchmarked(histoscribe, cohort, tmp_path, file):
    options = ["--model", "middle", "--model", "ridge", "--plugin", file]
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "run", *options)
    assert done.code == 0, done.err
    assert "middle" in done.out
    sources = json.loads((tmp_path / "run" / "model_sources.json").read_text())
    assert list(sources) == ["middle"]


@pytest.mark.slow
def test_other_processes_load_the_plug_in(histoscribe, cohort, tmp_path, file):
    made, option = tmp_path / "made", ["--plugin", file]
    trained = histoscribe("train", cohort.settings, "--out", made, "--model", "middle", *option)
    assert trained.code == 0, trained.err
    slides = [cohort.files(patient).image for patient in ("P1", "P2")]
    done = histoscribe(
        "predict", made, *slides, "--mpp", 5, "--jobs", 2, "--out", tmp_path / "out", *option
    )
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "P2.h5ad").is_file()
