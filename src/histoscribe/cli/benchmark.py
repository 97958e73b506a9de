"""`histoscribe benchmark FILE.toml --out DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING

from histoscribe.cli.console import OutFolder, Plugins, Weights, say, weight_files
from histoscribe.cli.place_options import Jobs, PlaceOptions, SchedulerAddress, ShardText, divided
from histoscribe.cli.run_options import Models, Overrides, SettingsFile, file_settings

if TYPE_CHECKING:
    from histoscribe.benchmark.divided_run import ShardDone
    from histoscribe.benchmark.result import Benchmark
    from histoscribe.train.settings import RunSettings


def run(  # noqa: PLR0913 - one parameter an option
    settings: SettingsFile,
    out_folder: OutFolder,
    *,
    model: Models = None,
    set_: Overrides = None,
    jobs: Jobs = 1,
    scheduler: SchedulerAddress = None,
    shard: ShardText = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Benchmark models on held-out patients; a stopped run continues where it was.

    With `--shard`, each part fits its models; the one that ends last writes tables and report.
    """
    from histoscribe.benchmark.divided_run import ShardDone
    from histoscribe.cli.table import print_bulk, print_result
    from histoscribe.report.page import write

    resolved = file_settings(settings, set_, model, plugin)
    options = (jobs, scheduler or resolved.run.scheduler, shard)
    result = _result(resolved, out_folder, weight_files(weights), options)
    if isinstance(result, ShardDone):
        say(result.words)
        return
    if resolved.bulk.makes_bags:
        print_bulk(result)
        say("")
        say(f"card: {out_folder / 'card.md'}")
        return
    page = write(out_folder)
    print_result(result)
    say("")
    say(f"report: {page}")


def _result(
    settings: "RunSettings", out: Path, weights: dict[str, Path], options: PlaceOptions
) -> "Benchmark | ShardDone":
    from histoscribe.benchmark.divided_run import divided_benchmark
    from histoscribe.benchmark.run import benchmark
    from histoscribe.io.cohorts.cohort import cohort_folders
    from histoscribe.io.weights import cache_folder

    if options == (1, None, None):
        return benchmark(settings=settings, out=out, weights=weights)
    division = divided(options, written=[out], read=cohort_folders(settings.cohort))
    return divided_benchmark(settings, out, division, weights, cache_folder())
