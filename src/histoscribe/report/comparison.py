"""Several runs side by side, each under its own protocol."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from histoscribe.report.run import Run, read_run
from histoscribe.report.summary import HEADLINE, models_of, score

_MUST_AGREE = ("target", "inputs", "encoder", "patients")


def compare(runs: Sequence[Path]) -> str:
    """Give a plain-text table of the headline metrics of several run folders.

    Every column states its protocol; below the table stand the reasons why a protocol leaks and
    the parts of the cards that differ, for those differences are in the numbers too.
    """
    read = [read_run(path) for path in runs]
    heads = [
        (str(path), f"protocol {run.protocol}{' (LEAKY)' if run.leaky else ''}")
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
        f"{path}: leaky, {run.leaky}" for path, run in zip(runs, read, strict=True) if run.leaky
    ]
    differing = [key for key in _MUST_AGREE if _differs(read, key)]
    if differing:
        notes.append(f"The runs also differ in: {', '.join(differing)} (see card.md of each).")
    return "\n".join([*_aligned(rows), "", *notes]).rstrip() + "\n"


def _text(run: Run, model: str, metric: str) -> str:
    found = score(run, model, metric)
    return f"{found.text} ({found.interval})" if found.interval else found.text


def _differs(runs: Sequence[Run], key: str) -> bool:
    return any(run.card.get(key) != runs[0].card.get(key) for run in runs)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
