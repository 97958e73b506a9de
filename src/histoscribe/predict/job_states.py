"""Jobs of `predict` with their outcomes, which are noted in the folder of the results."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from histoscribe import parallel
from histoscribe.io.work_state import WorkState
from histoscribe.parallel import Division, Outcome

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class ResultJob(parallel.Job[T_co], Protocol[T_co]):
    """A job whose results have a name in their folder."""

    @property
    def name(self) -> str:
        """Name of the files, without their ending."""


JobT = TypeVar("JobT", bound=ResultJob)


def run_noted(
    jobs: Sequence[JobT], division: Division, what: str, states: WorkState
) -> Iterator[tuple[JobT, Outcome]]:
    """Run the jobs of this call; each is noted as done, or as failed with its problems."""
    part = division.part(jobs)
    for job, outcome in zip(part, parallel.run(part, division.where, what), strict=True):
        if isinstance(outcome, tuple):
            states.failed(job.name, outcome)
        else:
            states.done(job.name)
        yield job, outcome
