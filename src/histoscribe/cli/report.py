"""`histoscribe report DIR...`."""

from pathlib import Path
from typing import Annotated

import typer

from histoscribe.cli.console import out, say


def run(folders: Annotated[list[Path], typer.Argument(metavar="DIR...")]) -> None:
    """Write the report of each run again; with several runs, also show them side by side."""
    from histoscribe.report.comparison import compare
    from histoscribe.report.page import write

    for folder in folders:
        say(f"report: {write(folder)}")
    if len(folders) > 1:
        out.print(compare(folders), markup=False, highlight=False)
