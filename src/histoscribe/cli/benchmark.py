"""`histoscribe benchmark FILE.toml --out DIR`."""

from histoscribe.cli.console import OutFolder, Plugins, Weights, say, weight_files
from histoscribe.cli.run_options import Models, Overrides, SettingsFile, file_settings


def run(
    settings: SettingsFile,
    out_folder: OutFolder,
    model: Models = None,
    set_: Overrides = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Benchmark models on held-out patients; a stopped run continues where it was."""
    from histoscribe.benchmark.run import benchmark
    from histoscribe.cli.table import print_bulk, print_result
    from histoscribe.report.page import write

    resolved = file_settings(settings, set_, model, plugin)
    result = benchmark(settings=resolved, out=out_folder, weights=weight_files(weights))
    if resolved.bulk.makes_bags:
        print_bulk(result)
        say("")
        say(f"card: {out_folder / 'card.md'}")
        return
    page = write(out_folder)
    print_result(result)
    say("")
    say(f"report: {page}")
