"""`histoscribe report [DIR...] [--findings DIR...]`."""

from pathlib import Path
from typing import Annotated

import typer

from histoscribe.cli.console import out, say
from histoscribe.errors import DataContractError, Problem

FINDINGS, COMPARISON = "findings.html", "comparison.html"
"""Pages that belong to no single run, in the working folder."""

Folders = Annotated[list[Path] | None, typer.Argument(metavar="[DIR...]", show_default=False)]
Findings = Annotated[
    list[Path] | None,
    typer.Option(
        "--findings",
        metavar="DIR",
        help="Folders that `explain` wrote: a section each in the report of their run, or a "
        "page of their own without a run. Several may follow one another.",
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        help="The page of findings without a run (`findings.html`), or of the comparison of "
        "several runs (`comparison.html`).",
        show_default=False,
    ),
]


def run(folders: Folders = None, findings: Findings = None, page: Page = None) -> None:
    """Write the report of each run again; with several runs, also a page that compares them."""
    from histoscribe.explain.saved_finding import is_finding
    from histoscribe.report import compare, write, write_comparison, write_findings

    # in `--findings A B C` only A is the option's value; the content tells findings from runs
    given = folders or []
    of_findings = [*(findings or []), *(folder for folder in given if is_finding(folder))]
    runs = [folder for folder in given if not is_finding(folder)]
    _check(runs, of_findings)
    if not runs:
        say(f"findings: {write_findings(of_findings, page or Path(FINDINGS))}")
        return
    for folder in runs:
        say(f"report: {write(folder, of_findings)}")
    if len(runs) > 1:
        out.print(compare(runs), markup=False, highlight=False)
        say(f"comparison: {write_comparison(runs, page or Path(COMPARISON))}")


def _check(runs: list[Path], findings: list[Path]) -> None:
    if not runs and not findings:
        found, expected = "no folder", "a run folder, or --findings with a folder of a finding"
        remedy = "give the folder that `benchmark` or `explain` wrote"
    elif len(runs) > 1 and findings:
        found = f"{len(runs)} runs and {len(findings)} findings"
        expected, remedy = "findings with the one run of their predictor", "report the runs singly"
    else:
        return
    raise DataContractError(Problem("histoscribe report", found, expected, remedy))
