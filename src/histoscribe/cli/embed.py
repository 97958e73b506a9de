"""`histoscribe embed FILE.toml`."""

from histoscribe.cli.console import Overrides, SettingsFile, Weights, say, weight_files


def run(settings: SettingsFile, set_: Overrides = None, weights: Weights = None) -> None:
    """Extract the features a run will need into the cache; resumes what was done before."""
    from histoscribe.io.cohort import read_cohort
    from histoscribe.io.weights import cache_folder
    from histoscribe.train.bank import Bank
    from histoscribe.train.config import read_settings

    resolved = read_settings(settings, tuple(set_ or ()))
    cohort = read_cohort(resolved.cohort, resolved.sections, resolved.filters, resolved.where)
    bank = Bank(resolved, cohort, weight_files(weights), cache_folder())
    bank.check()
    for encoder in bank.encoders():
        for section in cohort.ids:
            n_spots, width = bank.features(encoder, section).shape
            name = bank.opened(encoder)[0].encoder
            say(f"{section}: {n_spots} spots x {width} features of {name}")
