"""Several runs side by side, each with its protocol."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from histoscribe.printable import printable
from histoscribe.report.protocol_differences import different_facts
from histoscribe.report.run import Run, read_run
from histoscribe.report.summary import HEADLINE, models_of, score


def compare(runs: Sequence[Path]) -> str:
    """Plain-text table of the headline metrics of several run folders.

    Every column states its protocol. Below the table stand the reasons why a protocol leaks and
    what differs between the cards, because those differences affect the numbers, too.
    """
    read = [read_run(path) for path in runs]
    heads = [
        (printable(str(path)), f"protocol {run.protocol}{' (LEAKY)' if run.leaky else ''}")
        for path, run in zip(runs, read, strict=True)
    ]
    names = list(dict.fromkeys(name for run in read for name in models_of(run)))
    rows = [
        ("model", "metric", *(head[0] for head in heads)),
        ("", "", *(head[1] for head in heads)),
        *(
            (name, metric, *(_text(run, name, metric) for run in read))
            for name in names
            for metric in HEADLINE
        ),
    ]
    notes = [
        f"{printable(str(path))}: leaky, {run.leaky}"
        for path, run in zip(runs, read, strict=True)
        if run.leaky
    ]
    differing = [fact.name for fact in different_facts(read)]
    if differing:
        notes.append(f"The runs differ in: {', '.join(differing)}.")
    return "\n".join([*_aligned(rows), "", *notes]).rstrip() + "\n"


def _text(run: Run, model: str, metric: str) -> str:
    found = score(run, model, metric)
    return f"{found.text} ({found.interval})" if found.interval else found.text


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
