"""Options of the commands whose work other processes can share."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from histoscribe.parallel import Division

Jobs = Annotated[
    int, typer.Option("--jobs", metavar="N", min=1, help="Jobs at the same time on this machine.")
]
SchedulerAddress = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask scheduler, e.g. tcp://10.0.0.1:8786: its workers do the jobs.",
    ),
]
ShardText = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="NUMBER/TOTAL",
        help="Do this part of the jobs, e.g. 2/8 in the second of eight array jobs.",
    ),
]


PlaceOptions = tuple[int, str | None, str | None]
"""`--jobs`, `--scheduler` and `--shard`."""


def divided(
    options: PlaceOptions, *, written: Iterable[Path] = (), read: Iterable[Path]
) -> "Division":
    """Division of the work by the options of a command."""
    from histoscribe.io.work_place import division

    return division(*options, written=written, read=read)
