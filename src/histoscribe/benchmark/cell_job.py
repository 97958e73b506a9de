"""One cell of the benchmark as a job, in any process."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from histoscribe.benchmark.cell import run_cell
from histoscribe.benchmark.plan import RunPlan
from histoscribe.io.job_turn import CLAIMS, turn
from histoscribe.threads import fixed_threads
from histoscribe.train.shared_run import SharedRun


@dataclass(frozen=True)
class CellJob:
    """One model to fit for one fold, with its predictions of the test sections."""

    shared: SharedRun
    out: Path
    """The run folder."""
    fold: str
    model: str

    @property
    def label(self) -> str:
        """Fold and model."""
        return f"{self.fold}, {self.model}"

    def run(self) -> None:
        """Compute what the cell lacks; see `run_cell`."""
        opened = self.shared.run
        fold = opened.folds[self.fold]
        claim = self.out / CLAIMS / sha256(self.label.encode()).hexdigest()[:32]
        with fixed_threads(), turn(claim, self.label, self.out):
            target = opened.target(fold)
            plan = RunPlan(opened.data, (fold,), {fold.name: target}, self.out)
            run_cell(plan, fold, self.model, target)
