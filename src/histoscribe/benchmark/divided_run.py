"""A benchmark whose jobs are divided: other processes do them, or several calls do a part each."""

from dataclasses import dataclass, replace
from pathlib import Path

from histoscribe.benchmark.outline import finished_cells, run_outline
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.result import Benchmark
from histoscribe.benchmark.run import finish_run, run_cells
from histoscribe.errors import DataContractError
from histoscribe.io.job_turn import claims_removed
from histoscribe.io.run_folder import FolderInUseError, claimed
from histoscribe.parallel import Division, check
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.progress import tell
from histoscribe.threads import fixed_threads
from histoscribe.train.departures import tell_departures
from histoscribe.train.settings import RunSettings
from histoscribe.train.shared_run import of_bags


@dataclass(frozen=True)
class ShardDone:
    """A finished part of a run whose tables are not written yet."""

    n_left: int
    """Cells that other parts have to do; with none, another process writes the tables now."""

    @property
    def words(self) -> str:
        """Number of cells left, and the next command."""
        if self.n_left == 0:
            return "every cell is finished; another process writes the tables"
        return (
            f"{self.n_left} cells of other parts are left; the part that ends last writes the "
            "tables, or the same command without --shard"
        )


def divided_benchmark(
    settings: RunSettings, out: Path, division: Division, weights: WeightFiles, cache: Path
) -> Benchmark | ShardDone:
    """Run a benchmark whose jobs are divided; see `benchmark`.

    A part of it computes features of other parts, too, where no other process has done it: every
    cell needs those of all sections. The part that ends last writes the tables.

    Raises
    ------
    DataContractError
        as `benchmark` and `parallel.check`.
    """
    if settings.bulk.makes_bags:
        raise DataContractError(of_bags("--jobs, --scheduler, --shard"))
    tell_departures(settings)
    check(division.where)
    with fixed_threads():
        plan = make_plan(settings, out, weights=weights, cache=cache)
        plan = replace(plan, division=division)
        return finish_run(plan) if division.shard is None else _run_part(plan)


def _run_part(plan: RunPlan) -> Benchmark | ShardDone:
    files = plan.files()
    with claimed(plan.out, files, shared=True), claims_removed(plan.out, alone=False):
        tell(run_outline(plan, files))
        run_cells(plan)
    # after the folder is free: the part that leaves last sees the cells of all others
    n_left = len(plan.folds) * len(plan.models) - len(finished_cells(plan))
    if n_left:
        return ShardDone(n_left)
    try:
        return finish_run(plan)
    except FolderInUseError:
        return ShardDone(0)
