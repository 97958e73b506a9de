"""`histoscribe embed FILE.toml`."""

from typing import TYPE_CHECKING

from histoscribe.cli.console import Plugins, Weights, say, weight_files
from histoscribe.cli.run_options import Models, Overrides, SettingsFile, file_settings

if TYPE_CHECKING:
    from histoscribe.train.run_data import RunData


def run(
    settings: SettingsFile,
    model: Models = None,
    set_: Overrides = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Compute the features of a run into the cache; a stopped run continues where it was."""
    from histoscribe.io.cohorts.cohort import read_cohort
    from histoscribe.io.weights import cache_folder
    from histoscribe.threads import fixed_threads
    from histoscribe.train.run_data import RunData

    resolved = file_settings(settings, set_, model, plugin)
    cohort = read_cohort(resolved.cohort, resolved.sections, resolved.filters, resolved.where)
    run_data = RunData(resolved, cohort, weight_files(weights), cache_folder())
    with fixed_threads():
        _embed(run_data)


def _embed(run_data: "RunData") -> None:
    from histoscribe.data.folds import make_folds

    resolved, cohort = run_data.settings, run_data.cohort
    run_data.check()
    folds = make_folds(cohort, resolved.folds, resolved.seed) if run_data.by_fold else (None,)
    views = f" and {run_data.tiles.n_views} jittered views" if run_data.tiles.n_views else ""
    for fold in folds:
        of_fold = f", of fold {fold.name}" if fold else ""
        for encoder in run_data.encoders():
            name = run_data.source(encoder).name
            for section in cohort.ids:
                n_spots, width = run_data.extract(encoder, section, fold).shape
                say(f"{section}: {n_spots} spots{views} x {width} features of {name}{of_fold}")
