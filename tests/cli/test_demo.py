"""The demo goes the whole way, and again."""

from histoscribe.cli import demo
from histoscribe.simulate.cohort import simulate
from tests.cli.killing import tree

SMALL = {
    "n_genes = 100": "n_genes = 12",
    "tile_px = 224": "tile_px = 64",
    "mpp = 0.5": "mpp = 1.0",
    "epochs = 20": "epochs = 2",
}


def results(text):
    """What was printed, without the lines that say what is to be done and how long it took."""
    return [line for line in text.splitlines() if "in the cache" not in line]


def test_the_demo_started_again_ends_in_the_same_files(histoscribe, tmp_path, monkeypatch):
    settings = demo._SETTINGS
    for old, new in SMALL.items():
        assert old in settings
        settings = settings.replace(old, new)
    monkeypatch.setattr(demo, "_SETTINGS", settings)
    monkeypatch.setattr(
        "histoscribe.simulate.simulate",
        lambda out, n_patients: simulate(out, 2, spots_per_section=30, genes_per_family=6),
    )
    out = tmp_path / "demo"
    first = histoscribe("demo", "--out", out)
    assert first.code == 0, first.err
    assert str(out / "run" / "report.html") in first.out
    files = tree(out)
    assert {"run/report.html", "predictor/predictor.json", "prediction/P2S1.h5ad"} <= set(files)
    again = histoscribe("demo", "--out", out)
    assert (again.code, results(again.out)) == (0, results(first.out))
    assert tree(out) == files
    (out / "demo.toml").write_text("seed = 1\n")
    refused = histoscribe("demo", "--out", out)
    assert refused.code == 2
    assert "demo.toml" in refused.err
    assert (out / "demo.toml").read_text() == "seed = 1\n", "what a user wrote stays"
