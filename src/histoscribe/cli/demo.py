"""`histoscribe demo`: all steps on simulated tissue."""

from pathlib import Path

from histoscribe.cli.console import OutFolder, say

_FILE = "demo.toml"
_SETTINGS = """\
# The settings of the demo. To try others, copy this file beside itself, change the copy and run
#   histoscribe benchmark demo/copy.toml --out another-folder
seed = 0
cohort = "cohort/cohort.csv"
models = ["mean", "colour", "depth", "knn", "ridge", "mlp"]

[folds]
protocol = "patient"
k = "leave-one-out"

[target]
panel = "highest-mean"
n_genes = 100
transform = "pearson-residuals"

[inputs]
tile_px = 224
mpp = 0.5
encoder = "colour_texture"

[train]
epochs = 20
"""


def run(out_folder: OutFolder = Path("demo")) -> None:
    """Simulate a cohort, benchmark by patient, train, predict a held-out section, report."""
    from histoscribe.io.run_folder import claimed

    # settings changed by the user are never overwritten
    with claimed(out_folder, {_FILE: _SETTINGS}):
        manifest, page = _benchmark(out_folder)
        _train_and_predict(out_folder, manifest)
        say(f"open the report: {page}")


def _benchmark(out_folder: Path) -> tuple[Path, Path]:
    """Draw the cohort and score every model on it; returns the manifest and the report."""
    from histoscribe.benchmark.run import benchmark
    from histoscribe.cli.table import print_result
    from histoscribe.report.page import write
    from histoscribe.simulate import simulate

    manifest = simulate(out_folder / "cohort", n_patients=6)
    say(f"simulated cohort: {manifest}")
    result = benchmark(settings=out_folder / _FILE, out=out_folder / "run")
    page = write(out_folder / "run")
    print_result(result)
    return manifest, page


def _train_and_predict(out_folder: Path, manifest: Path) -> None:
    """Fit ridge without the last section, and predict this section."""
    from histoscribe.io.cohorts.cohort import read_cohort
    from histoscribe.io.predictions.anndata import write_prediction
    from histoscribe.train.run import train
    from histoscribe.train.settings import read_settings

    *rest, held_out = read_cohort(manifest).ids
    settings = read_settings(out_folder / _FILE, ('models=["ridge"]',)).model_copy(
        update={"sections": tuple(rest)}
    )
    predictor = train(settings=settings, out=out_folder / "predictor")
    prediction = predictor(read_cohort(manifest)[held_out])
    write_prediction(prediction, out_folder / "prediction" / f"{held_out}.h5ad")
    say("")
    say(f"predictor trained without {held_out}: {out_folder / 'predictor'}")
    say(f"prediction of {held_out}: {out_folder / 'prediction' / held_out}.h5ad")
