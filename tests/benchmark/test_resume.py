"""A run folder: names of any length, and cells that are not done twice."""

import json
from types import MappingProxyType

import numpy as np
import pytest

from histoscribe.benchmark.cell import folder_name
from histoscribe.benchmark.run import benchmark
from histoscribe.errors import DataContractError
from histoscribe.report.run import read_run
from histoscribe.types import Fold
from tests.benchmark.runs import tiny_cohort, tiny_settings


def fold(name):
    rows = MappingProxyType({"S": np.arange(3)})
    return Fold(name, "patient", rows, rows, (), "none")


def test_a_short_fold_name_is_its_folder():
    assert folder_name(fold("P1+P2")) == "P1+P2"


def test_many_patients_in_a_fold_still_make_a_folder(tmp_path):
    many = "+".join(f"TCGA-A{number:03}-XY" for number in range(60))
    other = many[:-1] + "Z"
    assert folder_name(fold(many)) != folder_name(fold(other))
    (tmp_path / (folder_name(fold("\N{MICROSCOPE}" * 200)) + ".safetensors")).touch()


def test_finished_cells_are_not_fitted_again_and_missing_ones_are(tmp_path, monkeypatch):
    settings = tiny_settings(
        tiny_cohort(tmp_path / "cohort", n_patients=2),
        models=["mean", "knn"],
        target={"n_genes": 4},
    )
    run = tmp_path / "run"
    benchmark(settings=settings, out=run, cache=tmp_path / "cache")
    written = {path: path.stat().st_mtime_ns for path in (run / "predictors").rglob("*.*")}
    scores = (run / "scores.csv").read_bytes()
    for path in (run / "predictions" / "knn").rglob("*.h5ad"):
        path.unlink()  # predicted again, from the predictors that are there
    devices = []
    monkeypatch.setattr(
        "histoscribe.predictor.predictor.choose_device",
        lambda asked: devices.append(asked) or "cpu",
    )
    benchmark(settings=settings, out=run, cache=tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (run / "predictors").rglob("*.*")} == written
    assert (run / "scores.csv").read_bytes() == scores
    assert set(devices) == {"cpu"}  # that of the run, not the best there is
    check_checksums(settings, run, tmp_path / "cache")


def check_checksums(settings, run, cache):
    """A finished run refuses changed files, also when it is started again."""
    listed = json.loads((run / "checksums.json").read_text())
    assert {"scores.csv", "card.json", "settings.toml"} < set(listed)
    prediction = next((run / "predictions" / "mean").rglob("*.h5ad"))
    whole = prediction.read_bytes()
    prediction.write_bytes(whole + b" ")
    with pytest.raises(DataContractError, match=r"h5ad[\s\S]*sha256[\s\S]*remove this file"):
        benchmark(settings=settings, out=run, cache=cache)
    with pytest.raises(DataContractError, match=prediction.name):
        read_run(run)
    prediction.write_bytes(whole)
    assert len(read_run(run).scores)
    with (run / "scores.csv").open("a") as file:
        file.write(" ")
    with pytest.raises(DataContractError, match=r"scores\.csv[\s\S]*sha256[\s\S]*do not edit"):
        read_run(run)
    benchmark(settings=settings, out=run, cache=cache)
    assert json.loads((run / "checksums.json").read_text()) == listed
