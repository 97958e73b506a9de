"""Shared parts of all commands: messages, progress bars, common options."""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from histoscribe.cli.progress_lines import ProgressLines
from histoscribe.errors import DataContractError, Problem, unforeseen
from histoscribe.printable import printable, printable_lines
from histoscribe.progress import Drawer, drawn_by, told_to

out = Console()
err = Console(stderr=True)

OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="NAME=FILE", help="Encoder weights (repeatable)."),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE.py", help="File with models of your own (repeatable); it is run."
    ),
]

_STOPPED = 130  # exception that typer raises for Ctrl-C
_GONE = "a disk that stays there: is it mounted, and is the network up?"
_DISK = {
    errno.ENOSPC: "free space on the disk",
    errno.EDQUOT: "free space within the quota",
    errno.EFBIG: "a disk and a limit (`ulimit -f`) that allow files of this size",
    errno.EACCES: "permission to read and write here",
    errno.EPERM: "permission to read and write here",
    errno.EROFS: "a folder that can be written to",
    errno.EMFILE: "a higher limit of open files (`ulimit -n`)",
    errno.ENFILE: "fewer open files on this machine",
    errno.ENAMETOOLONG: "a shorter path",
    errno.EISDIR: "a file, not a folder",
    errno.ENOTDIR: "a folder, not a file",
    **dict.fromkeys(
        (
            *(errno.ENOENT, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN),
            *(errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN),
        ),
        _GONE,
    ),
}
"""Errors of disks with the expected state."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn every error into one message and exit code 2.

    `HISTOSCRIBE_DEBUG=1` raises an error that nobody foresaw, with its traceback, and shows those
    of single sections and slides.
    """
    if debugged := bool(os.environ.get("HISTOSCRIBE_DEBUG")):
        logging.basicConfig()
        logging.getLogger("histoscribe").setLevel(logging.DEBUG)
    try:
        yield
    except DataContractError as error:
        show_problems(error.problems)
        sys.exit(2)
    except OSError as error:
        show_problems([_disk_problem(error)])
        sys.exit(2)
    except SystemExit as end:
        if end.code == _STOPPED:
            err.print("stopped; run the same command again to continue")
        raise
    except Exception as error:
        if debugged:
            raise
        show_problems([unforeseen("histoscribe", error)])
        sys.exit(2)


@contextmanager
def messages_visible() -> Iterator[None]:
    """Show warnings and log lines of all libraries as `printable` does."""
    plain, handler = warnings.formatwarning, logging.lastResort

    def format_warning(*parts: Any, **more: Any) -> str:
        return printable_lines(plain(*parts, **more))

    warnings.formatwarning = format_warning
    if handler is not None:
        handler.setFormatter(_VisibleFormatter())
    try:
        yield
    finally:
        warnings.formatwarning = plain
        if handler is not None:
            handler.setFormatter(None)


@contextmanager
def progress_drawn() -> Iterator[None]:
    """Draw loops as bars, or as lines where the messages go to no terminal."""
    progress = _bars()
    draw = _drawer(progress) if err.is_terminal else ProgressLines(_say_aside).draw
    with drawn_by(draw), told_to(say):
        try:
            yield
        finally:
            progress.live.stop()  # Progress.stop leaves an empty line in a log file


def _bars() -> Progress:
    """Bars with rate and time left; one bar at a time, nested loops below it."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )


def _drawer(progress: Progress) -> Drawer:
    def draw(
        items: Iterable[object], what: str, total: int | None
    ) -> Generator[object, None, None]:
        progress.start()
        task = progress.add_task(printable(what), total=total, rate="")
        try:
            for item in items:
                yield item
                speed = progress.tasks[progress.task_ids.index(task)].speed
                rate = f"{speed:.1f}/s" if speed else ""
                progress.update(task, advance=1, rate=rate)
        finally:
            progress.remove_task(task)

    return draw


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def load_plugins(files: Iterable[Path] | None) -> None:
    """Run the files of the option `--plugin`."""
    if files:
        from histoscribe.models.plugins import load_plugin

        for file in files:
            load_plugin(file)


def weight_files(weights: Iterable[str] | None) -> dict[str, Path]:
    """Read the option `--weights`."""
    return named_files("--weights", weights)


def named_files(option: str, items: Iterable[str] | None) -> dict[str, Path]:
    """Read `NAME=FILE` options; all wrong ones are listed."""
    problems, found = [], {}
    for item in items or ():
        name, equals, file = item.partition("=")
        if not equals or not Path(file).is_file():
            problems.append(
                Problem(f"{option} {item}", "no such file", "NAME=FILE", "check name and path")
            )
        found[name] = Path(file)
    if problems:
        raise DataContractError(problems)
    return found


def _disk_problem(error: OSError) -> Problem:
    return Problem(
        where=str(error.filename or "the disk that is written to"),
        found=(error.strerror or str(error) or type(error).__name__).lower(),
        expected=_DISK.get(error.errno or 0, "a disk that can be read and written"),
        remedy="then run the same command again: finished work is kept",
    )


def say(text: str) -> None:
    """Print a line: a path is neither cut, coloured nor read as markup; see `printable`."""
    out.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _say_aside(text: str) -> None:
    """Print a line beside the results, see `say`."""
    err.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def show_problems(problems: Sequence[Problem]) -> None:
    """Print every problem with its place and remedy."""
    n = len(problems)
    message = f"{n} problem{'s' if n > 1 else ''}\n\n" + "\n\n".join(map(str, problems))
    err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
