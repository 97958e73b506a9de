"""Several runs on one page: their scores as charts, and what differs in their protocols."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from histoscribe.io.atomic import write_text
from histoscribe.report.gene_pairs import GenePairs, gene_pairs
from histoscribe.report.protocol_differences import different_facts, different_settings
from histoscribe.report.run import Run, read_run
from histoscribe.report.run_tracks import track_chart
from histoscribe.report.script import content_policy
from histoscribe.report.summary import HEADLINE
from histoscribe.report.template import environment, style
from histoscribe.report.verdict import headline


@dataclass(frozen=True)
class ComparedRun:
    """Name, protocol and result of one run."""

    name: str
    protocol: str
    leaky: str | None
    headline: str
    address: str
    """Of its own report, relative to the page."""


def write_comparison(runs: Sequence[Path], page: Path) -> Path:
    """Write a page that compares finished runs, and return its path.

    Each run has a report in its own folder, to which the page links.

    Raises
    ------
    DataContractError
        if a folder is not that of a finished benchmark.
    """
    contents = [read_run(folder) for folder in runs]
    html = (
        environment()
        .get_template("comparison_page.html.j2")
        .render(
            runs=_compared(runs, contents, page),
            facts=different_facts(contents),
            settings=different_settings(contents),
            charts=[track_chart(contents, metric) for metric in reversed(HEADLINE)],
            pairs=_pairs(contents),
            css=style(),
            policy=content_policy(),
        )
    )
    write_text(page, html)
    return page


def _compared(runs: Sequence[Path], contents: Sequence[Run], page: Path) -> list[ComparedRun]:
    names = [folder.resolve().name for folder in runs]
    twice = len(set(names)) < len(names)
    return [
        ComparedRun(
            name=f"{place + 1}: {name}" if twice else name,
            protocol=run.protocol,
            leaky=run.leaky,
            headline=headline(run),
            address=quote(Path(os.path.relpath(folder / "report.html", page.parent)).as_posix()),
        )
        for place, (folder, name, run) in enumerate(zip(runs, names, contents, strict=True))
    ]


def _pairs(contents: Sequence[Run]) -> list[GenePairs]:
    """The first run against each other one."""
    first, *others = contents
    found = (gene_pairs(first, other, (0, n)) for n, other in enumerate(others, start=1))
    return [pairs for pairs in found if pairs is not None]
