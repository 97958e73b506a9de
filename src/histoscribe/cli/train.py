"""`histoscribe train FILE.toml --out DIR`."""

from histoscribe.cli.console import OutFolder, Overrides, SettingsFile, Weights, say, weight_files


def run(
    settings: SettingsFile, out_folder: OutFolder, set_: Overrides = None, weights: Weights = None
) -> None:
    """Fit one model on all sections and write one predictor folder."""
    from histoscribe.io.weights import cache_folder
    from histoscribe.train.config import read_settings
    from histoscribe.train.run import train

    predictor = train(
        read_settings(settings, tuple(set_ or ())),
        out_folder,
        cache=cache_folder(),
        weights=weight_files(weights),
    )
    say(f"predictor {predictor.name}, {len(predictor.target.genes)} genes: {out_folder}")
