"""`histoscribe doctor`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from histoscribe.cli.console import out, say

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
    from histoscribe.cli.doctor_probe import FAILURES, Diagnosis

    try:
        return getattr(import_module(module), function)()
    except FAILURES as error:
        found = f"{type(error).__name__}: {error}"
        return [Diagnosis("all", "BROKEN", found, "pip install --force-reinstall histoscribe")]


def _print(title: str, found: "Sequence[Diagnosis]") -> None:
    """Print a line for each thing, its remedy below; a command is never broken, to be copied."""
    from rich.text import Text

    width = max((len(one.what) for one in found), default=0)
    out.print(Text(title, style="bold"))
    for one in found:
        line = Text.assemble((f"{one.state:8}", _STYLE[one.state]), f" {one.what:{width}} ")
        out.print(line.append(one.found), soft_wrap=True)
        if one.remedy:
            out.print(Text(f"{'':9}-> {one.remedy}", style="bold"), soft_wrap=True)
    out.print()
