"""States of jobs (done, failed, left): one table in the folder of a call, and a page to read.

Jobs of several calls in one folder, e.g. the tasks of an array job, are one table: a call replaces
the lines of its own jobs and keeps the others. Neither times nor hosts stand in it, so that the
files of a stopped call that went on are those of one that was never stopped.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Literal, final

from histoscribe.errors import Problem
from histoscribe.io.atomic import write_text
from histoscribe.io.claims import claim
from histoscribe.io.csv_table import csv_rows, read_csv_rows
from histoscribe.printable import printable

STATE, SUMMARY = "state.csv", "summary.md"
FILES = (STATE, SUMMARY)
_COLUMNS = ("job", "state", "where", "found", "expected", "remedy")
_EVERY_S = 10.0
"""Seconds between two writes, for a table of 10,000 jobs is not written 10,000 times."""
_WAIT_S = 0.5
_MOST_NAMED = 1000
"""Jobs of one kind that the page names; the table has all."""

State = Literal["done", "failed", "left"]


@dataclass(frozen=True)
class JobState:
    """State of one job, with the problems of a failed one."""

    state: State
    problems: tuple[Problem, ...] = ()


LEFT = JobState("left")


@final
class WorkState:
    """States of the jobs of one call, written from time to time and at the end."""

    def __init__(self, folder: Path, title: str, jobs: Iterable[str]) -> None:
        self._folder, self._title, self._jobs = folder, title, tuple(jobs)
        self._own: dict[str, JobState] = {}
        self._written = monotonic()

    def done(self, job: str) -> None:
        """Note a job with complete results."""
        self._note(job, JobState("done"))

    def failed(self, job: str, problems: Sequence[Problem]) -> None:
        """Note a job without result, and its problems."""
        self._note(job, JobState("failed", tuple(problems)))

    def write(self) -> None:
        """Write table and page; lines of other calls stay."""
        path = self._folder / STATE
        while (turn := claim(self._folder / f".{STATE}.claim", f"table of {self._title}")) is None:
            sleep(_WAIT_S)
        with turn:
            states = {**dict.fromkeys(self._jobs, LEFT), **read_states(path), **self._own}
            _write_new(path, csv_rows([list(_COLUMNS), *_lines(states)]))
            _write_new(self._folder / SUMMARY, _page(self._title, states))
        self._written = monotonic()

    def end(self) -> None:
        """Write for the last time; a failed job says more than a disk without room for its line."""
        try:
            self.write()
        except OSError:
            if all(of.state != "failed" for of in self._own.values()):
                raise

    def remove_without_work(self) -> None:
        """Remove table and page if no job is done."""
        states = read_states(self._folder / STATE)
        if all(of.state != "done" for of in states.values()):
            for name in FILES:
                (self._folder / name).unlink(missing_ok=True)

    def _note(self, job: str, state: JobState) -> None:
        self._own[job] = state
        if monotonic() - self._written > _EVERY_S:
            with suppress(OSError):  # a full disk stops the jobs first, or the last write says so
                self.write()


@contextmanager
def work_state(folder: Path, title: str, jobs: Iterable[str]) -> Iterator[WorkState]:
    """States of jobs, which are written when the block begins, and when it ends in any way.

    If an error comes before any job of the folder was done, nothing stays.
    """
    states = WorkState(folder, title, jobs)
    states.write()
    try:
        yield states
    except BaseException:
        with suppress(OSError):  # the error that ended the work says more
            states.write()
            states.remove_without_work()
        raise
    states.end()


def read_states(path: Path) -> Mapping[str, JobState]:
    """Read the states of a table by job; a missing or changed table has none."""
    try:
        header, rows = read_csv_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    if tuple(header) != _COLUMNS or any(len(row) < len(_COLUMNS) for row in rows):
        return {}
    states: dict[str, JobState] = {}
    for row in rows:
        problem = Problem(row["where"], row["found"], row["expected"], row["remedy"])
        if row["state"] == "failed":
            before = states.get(row["job"], LEFT).problems
            states[row["job"]] = JobState("failed", (*before, problem))
        else:
            states[row["job"]] = JobState("done") if row["state"] == "done" else LEFT
    return states


def _write_new(path: Path, text: str) -> None:
    """Write a file unless it has this text, so that a call with nothing to do changes nothing."""
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)


def _lines(states: Mapping[str, JobState]) -> Iterator[list[str]]:
    for job, of in sorted(states.items()):
        for problem in of.problems or (Problem("", "", "", ""),):
            words = [problem.where, problem.found, problem.expected, problem.remedy]
            yield [job, of.state, *words]


def _page(title: str, states: Mapping[str, JobState]) -> str:
    """Numbers of each state, the reasons of failed jobs, and the names of those that are left."""
    jobs = {
        kind: sorted(job for job, of in states.items() if of.state == kind)
        for kind in ("done", "failed", "left")
    }
    numbers = ", ".join(f"{len(jobs[kind]):,} {kind}" for kind in jobs)
    parts = [f"# {title}", f"{len(states):,} in all: {numbers}. Every one is in `{STATE}`."]
    if jobs["failed"]:
        reasons = [_reasons(job, states[job].problems) for job in jobs["failed"][:_MOST_NAMED]]
        parts += ["## Failed", "\n".join(reasons)]
    if jobs["left"]:
        parts += ["## Left", "\n".join(f"- {_word(job)}" for job in jobs["left"][:_MOST_NAMED])]
        parts += ["Start the same command again: what is done stays."]
    return "\n\n".join(parts) + "\n"


def _reasons(job: str, problems: tuple[Problem, ...]) -> str:
    lines = [f"- {_word(job)}"]
    for of in problems:
        lines += [
            f"    - {_word(of.where)}: {_word(of.found)}",
            f"        - expected: {_word(of.expected)}",
            f"        - what to do: {_word(of.remedy)}",
        ]
    return "\n".join(lines)


def _word(text: str) -> str:
    """One line that Markdown shows as it is: names of files may hold its signs."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|" else sign for sign in printable(text))
