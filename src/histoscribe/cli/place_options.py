"""Options of the commands whose work other processes can share."""

from typing import Annotated

import typer

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
