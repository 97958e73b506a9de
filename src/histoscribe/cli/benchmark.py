"""`histoscribe benchmark FILE.toml --out DIR`."""

from histoscribe.cli.console import OutFolder, Overrides, SettingsFile, Weights, say, weight_files


def run(
    settings: SettingsFile, out_folder: OutFolder, set_: Overrides = None, weights: Weights = None
) -> None:
    """Benchmark models on held-out patients; a stopped run continues where it was."""
    from histoscribe.benchmark.run import benchmark
    from histoscribe.cli.table import print_result
    from histoscribe.report.page import write
    from histoscribe.train.settings import read_settings

    result = benchmark(
        settings=read_settings(settings, set_ or ()), out=out_folder, weights=weight_files(weights)
    )
    page = write(out_folder)
    print_result(result)
    say(f"\nreport: {page}")
