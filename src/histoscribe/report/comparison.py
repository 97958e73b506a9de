"""Several runs side by side, each with its protocol."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from histoscribe.printable import printable
from histoscribe.report.run import Run, read_run
from histoscribe.report.summary import HEADLINE, models_of, score

_MUST_AGREE = ("sections", "patients", "inputs", "encoder")
_OF_TARGET = ("panel", "transform", "genes_sha256")


def compare(runs: Sequence[Path]) -> str:
    """Plain-text table of the headline metrics of several run folders.

    Every column states its protocol. Below the table stand the reasons why a protocol leaks and the
    parts of the cards that differ, because those differences affect the numbers, too.
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
    differing = [key for key in _MUST_AGREE if _differ([getattr(run.card, key) for run in read])]
    differing += [key for key in _OF_TARGET if _differ([_targets(run, key) for run in read])]
    if differing:
        notes.append(f"The runs also differ in: {', '.join(differing)} (see card.md of each).")
    return "\n".join([*_aligned(rows), "", *notes]).rstrip() + "\n"


def _text(run: Run, model: str, metric: str) -> str:
    found = score(run, model, metric)
    return f"{found.text} ({found.interval})" if found.interval else found.text


def _differ(values: Sequence[object]) -> bool:
    return any(value != values[0] for value in values)


def _targets(run: Run, key: str) -> set[str]:
    """Values of this key over the folds of a run; fold names differ between protocols."""
    return {getattr(target, key) for target in run.card.target.values()}


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
