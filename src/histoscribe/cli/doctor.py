"""`histoscribe doctor`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from histoscribe.cli.console import out, say
from histoscribe.printable import printable_lines

if TYPE_CHECKING:
    from histoscribe.cli.doctor_probe import Diagnosis

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
"""Title, module and function of each part; a part that cannot be imported is a finding."""
_STYLE = {"ok": "green", "note": "yellow", "not here": "cyan", "BROKEN": "bold red"}


def run() -> None:
    """Check install, machine, weights and data; name the command that fixes each problem."""
    broken = []
    for title, module, function in PARTS:
        found = examined(module, function)
        _print(title, found)
        broken += [f"{title}: {one.what}" for one in found if one.state == "BROKEN"]
    if broken:
        say(f"{len(broken)} broken, see above: {'; '.join(broken)}")
        sys.exit(2)
    say("Nothing is broken. Parts marked `not here` are optional; their lines say how to get them.")


def examined(module: str, function: str) -> "list[Diagnosis]":
    """Examine one part; a broken library is reported as its finding."""
    from histoscribe.cli.doctor_probe import FAILURES, Diagnosis

    try:
        return getattr(import_module(module), function)()
    except FAILURES as error:
        found = f"{type(error).__name__}: {error}"
        return [Diagnosis("all", "BROKEN", found, "pip install --force-reinstall histoscribe")]


def _print(title: str, found: "Sequence[Diagnosis]") -> None:
    """Print a line for each finding, with its remedy below; commands are never wrapped."""
    from rich.text import Text

    width = max((len(one.what) for one in found), default=0)
    out.print(Text(title, style="bold"))
    for one in found:
        line = Text.assemble((f"{one.state:8}", _STYLE[one.state]), f" {one.what:{width}} ")
        out.print(line.append(printable_lines(one.finding)), soft_wrap=True)
        if one.remedy:
            remedy = printable_lines(one.remedy)
            out.print(Text(f"{'':9}-> {remedy}", style="bold"), soft_wrap=True)
    out.print()
