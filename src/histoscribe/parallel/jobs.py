"""Jobs, and their outcomes: results or problems."""

from typing import Protocol, TypeAlias, TypeGuard, TypeVar, runtime_checkable

from histoscribe.errors import DataContractError, Problem, errors_told

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Outcome: TypeAlias = T | tuple[Problem, ...]


@runtime_checkable
class Job(Protocol[T_co]):
    """A picklable piece of work, which names its inputs by path."""

    @property
    def label(self) -> str:
        """Name of the job in messages, e.g. the path of its slide."""

    def run(self) -> T_co:
        """Do the work; an error becomes the outcome of this job."""


def outcome_of(job: Job[T]) -> Outcome[T]:
    """Do a job; an error becomes its problems. A full disk is raised, because it stops all jobs."""
    try:
        with errors_told(job.label):
            return job.run()
    except DataContractError as error:
        return error.problems


def is_failed(outcome: object) -> TypeGuard[tuple[Problem, ...]]:
    """Whether an outcome is a tuple of problems; no job has such a result."""
    return isinstance(outcome, tuple) and bool(outcome) and isinstance(outcome[0], Problem)


def killed(job: Job[T]) -> tuple[Problem, ...]:
    """The problem of a job whose process ended before it."""
    return (
        Problem(
            where=job.label,
            found="its process was killed, perhaps because memory ran out",
            expected="every process to end by itself",
            remedy="close other programs or use a machine with more memory, and start "
            "again: finished work is kept",
        ),
    )
