"""`histoscribe doctor`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from histoscribe.cli.console import out, say

if TYPE_CHECKING:
    from histoscribe.io.diagnosis import Diagnosis

PARTS = (
    ("Python and packages", "histoscribe.cli.doctor_install", "examine_packages"),
    ("torch", "histoscribe.cli.doctor_machine", "examine_torch"),
    ("machine", "histoscribe.cli.doctor_machine", "examine_machine"),
    ("formats", "histoscribe.cli.doctor_work", "examine_formats"),
    ("folders and data", "histoscribe.cli.doctor_machine", "examine_data"),
    ("encoder weights", "histoscribe.cli.doctor_work", "examine_weights"),
    ("extras", "histoscribe.cli.doctor_install", "examine_extras"),
    ("self-test", "histoscribe.cli.doctor_work", "examine_work"),
)
"""What is examined, where, by which function; a part that cannot be imported is a finding."""
_STYLE = {"ok": "green", "note": "yellow", "not here": "cyan", "BROKEN": "bold red"}


def run() -> None:
    """Say what of the install, machine, weights and data is in order, and what to run if not."""
    broken = []
    for title, module, function in PARTS:
        found = examined(module, function)
        _print(title, found)
        broken += [f"{title}: {one.what}" for one in found if one.state == "BROKEN"]
    if broken:
        say(f"{len(broken)} broken, see above: {'; '.join(broken)}")
        sys.exit(2)
    say("Nothing is broken. What is `not here` is optional; its line says how to get it.")


def examined(module: str, function: str) -> "list[Diagnosis]":
    """Examine one part; where a library it needs is broken, that is what is found."""
    from histoscribe.io.diagnosis import FAILURES, Diagnosis

    try:
        return getattr(import_module(module), function)()
    except FAILURES as error:
        found = f"{type(error).__name__}: {error}"
        return [Diagnosis("all", "BROKEN", found, "pip install --force-reinstall histoscribe")]


def _print(title: str, found: "Sequence[Diagnosis]") -> None:
    """Print a part as a table; the remedy stands below what was found."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(width=8, no_wrap=True)
    table.add_column(min_width=20, no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        words = Text(one.found)
        if one.remedy:
            words.append(f"\n-> {one.remedy}", style="bold")
        table.add_row(Text(one.state, style=_STYLE[one.state]), Text(one.what), words)
    out.print(Text(title, style="bold"))
    out.print(table)
    out.print()
