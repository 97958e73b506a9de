"""The demo goes the whole way, and again; what it leaves and prints can be used."""

import shlex

import anndata as ad
import pytest

from histoscribe.cli import demo
from histoscribe.simulate.cohort import simulate
from tests.cli.killing import tree

SMALL = {
    "n_genes = 100": "n_genes = 12",
    "tile_px = 224": "tile_px = 64",
    "mpp = 0.5": "mpp = 1.0",
    "epochs = 20": "epochs = 2",
    '["mean", "colour", "depth", "knn", "ridge", "mlp"]': '["mean", "ridge"]',
}


@pytest.fixture
def small(monkeypatch):
    settings = demo._SETTINGS
    for old, new in SMALL.items():
        assert old in settings
        settings = settings.replace(old, new)
    monkeypatch.setattr(demo, "_SETTINGS", settings)
    monkeypatch.setattr(
        "histoscribe.simulate.simulate",
        lambda out, n_patients: simulate(out, 2, spots_per_section=30, genes_per_family=6),
    )
    monkeypatch.setattr(demo, "_SLIDE_SPOTS", 20)


def commands(text):
    """The commands below the words `Try next`, as a shell reads them."""
    lines = text.partition("Try next:")[2].splitlines()
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


# two patients teach less than the new slide shows
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_demo_started_again_ends_in_the_same_files(small, histoscribe, tmp_path):
    out = tmp_path / "demo"
    first = histoscribe("demo", "--out", out)
    assert first.code == 0, first.err
    assert str(out / "runs" / "first" / "report.html") in first.out
    files = tree(out)
    assert {"cohort.csv", "biopsy.svs", "ridge/predictor.json", "predicted/P2S1.h5ad"} <= set(files)
    assert {"maps/biopsy.h5ad", "maps/biopsy.geojson", "runs/first/report.html"} <= set(files)
    assert ad.read_h5ad(out / "maps" / "biopsy.h5ad").n_vars == 12
    again = histoscribe("demo", "--out", out)
    assert (again.code, commands(again.out)) == (0, commands(first.out))
    assert tree(out) == files
    (out / "run.toml").write_text("seed = 1\n")
    refused = histoscribe("demo", "--out", out)
    assert refused.code == 2
    assert "run.toml" in refused.err
    assert (out / "run.toml").read_text() == "seed = 1\n", "what a user wrote stays"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_four_commands_at_the_end_of_the_demo_run_as_they_stand(small, histoscribe, tmp_path):
    out = tmp_path / "a demo"
    told = commands(histoscribe("demo", "--out", out).out)
    assert [words[:2] for words in told] == [
        ["histoscribe", verb] for verb in ("explain", "report", "predict", "check")
    ]
    for _, *words in told:
        ended = histoscribe(*words)
        assert ended.code == 0, ended.err
    page = (out / "runs" / "first" / "report.html").read_text()
    assert "Where does a model look" in page
