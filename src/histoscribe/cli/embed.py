"""`histoscribe embed FILE.toml`."""

from typing import TYPE_CHECKING

from histoscribe.cli.console import Plugins, Weights, say, weight_files
from histoscribe.cli.place_options import Jobs, SchedulerAddress, ShardText, divided
from histoscribe.cli.run_options import Models, Overrides, SettingsFile, file_settings
from histoscribe.errors import DataContractError, Problem

if TYPE_CHECKING:
    from histoscribe.parallel import Division
    from histoscribe.train.feature_jobs import FeatureJob
    from histoscribe.train.run_data import Extracted
    from histoscribe.train.shared_run import SharedRun


def run(  # noqa: PLR0913 - one parameter an option
    settings: SettingsFile,
    *,
    model: Models = None,
    set_: Overrides = None,
    jobs: Jobs = 1,
    scheduler: SchedulerAddress = None,
    shard: ShardText = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Compute the features of a run into the cache; a stopped run continues where it was."""
    from histoscribe import parallel
    from histoscribe.io.cohorts.cohort import cohort_folders, read_cohort
    from histoscribe.io.weights import cache_folder
    from histoscribe.threads import fixed_threads
    from histoscribe.train.run_data import RunData
    from histoscribe.train.shared_run import OpenRun, SharedRun, check_travels

    resolved = file_settings(settings, set_, model, plugin)
    options = (jobs, scheduler or resolved.run.scheduler, shard)
    division = divided(options, read=cohort_folders(resolved.cohort))
    parallel.check(division.where)
    cohort = read_cohort(resolved.cohort, resolved.sections, resolved.filters, resolved.where)
    run_data = RunData(resolved, cohort, weight_files(weights), cache_folder())
    check_travels(run_data, division.where)
    with fixed_threads():
        run_data.check()
        _embed(SharedRun.of(OpenRun(run_data)), division)


def _embed(shared: "SharedRun", division: "Division") -> None:
    from histoscribe import parallel
    from histoscribe.io.work_state import SUMMARY, work_state
    from histoscribe.train.feature_jobs import extractor_jobs, feature_jobs, state_folder

    problems: list[Problem] = []
    for _ in parallel.run_all(extractor_jobs(shared), division.where, "trained encoders"):
        pass
    every = feature_jobs(shared)
    jobs = division.part(every)
    folder = state_folder(shared)
    with work_state(folder, "Features of a run", map(_name, every)) as states:
        for job, found in zip(jobs, parallel.run(jobs, division.where, "features"), strict=True):
            if isinstance(found, tuple):
                problems += found
                states.failed(_name(job), found)
                continue
            states.done(_name(job))
            say(_line(job, found))
    say(str(folder / SUMMARY))
    if problems:
        raise DataContractError(problems)


def _name(job: "FeatureJob") -> str:
    of_fold = f", fold {job.fold}" if job.fold else ""
    return f"{job.label}{of_fold}"


def _line(job: "FeatureJob", extracted: "Extracted") -> str:
    data = job.shared.run.data
    views = f" and {data.tiles.n_views} jittered views" if data.tiles.n_views else ""
    of_fold = f", of fold {job.fold}" if job.fold else ""
    name = data.source(job.encoder).name
    size = f"{extracted.n_spots} spots{views} x {extracted.width}"
    return f"{job.section}: {size} features of {name}{of_fold}"
