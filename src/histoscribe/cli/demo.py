"""`histoscribe demo`: everything once, on simulated tissue."""

from pathlib import Path

from histoscribe.cli.console import OutFolder, say

_SETTINGS = """\
# The settings of the demo; change them and run
#   histoscribe benchmark demo.toml --out another-folder
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
epochs = 50
"""


def run(out_folder: OutFolder = Path("demo")) -> None:
    """Simulate a cohort, benchmark by patient, train, predict a held-out section, report."""
    from histoscribe.benchmark.run import benchmark
    from histoscribe.cli.table import print_result
    from histoscribe.io.anndata import write_prediction
    from histoscribe.io.atomic import write_text
    from histoscribe.io.cohort import read_cohort
    from histoscribe.io.weights import cache_folder
    from histoscribe.report.page import write
    from histoscribe.simulate import simulate
    from histoscribe.train.config import read_settings
    from histoscribe.train.run import train

    file = out_folder / "demo.toml"
    write_text(file, _SETTINGS)
    manifest = simulate(out_folder / "cohort", n_patients=6)
    say(f"simulated cohort: {manifest}")
    result = benchmark(read_settings(file), out_folder / "run")
    page = write(out_folder / "run")
    print_result(result)

    *rest, held_out = read_cohort(manifest).ids
    settings = read_settings(file, ('models=["ridge"]',)).model_copy(
        update={"sections": tuple(rest)}
    )
    predictor = train(settings, out_folder / "predictor", cache=cache_folder(), weights={})
    prediction = predictor(read_cohort(manifest)[held_out], cache_folder())
    write_prediction(prediction, out_folder / "prediction" / f"{held_out}.h5ad")
    say(f"\npredictor trained without {held_out}: {out_folder / 'predictor'}")
    say(f"prediction of {held_out}: {out_folder / 'prediction' / held_out}.h5ad")
    say(f"open the report: {page}")
