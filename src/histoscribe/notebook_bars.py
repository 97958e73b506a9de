"""Progress in the cells of a notebook, below the cell that does the work."""

import sys
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from html import escape
from time import monotonic
from typing import Any

from histoscribe.printable import printable

_SECONDS = 0.1  # between two drawings


def notebook_shell() -> Any | None:
    """The shell of a notebook's kernel; None in a script, a terminal and another process."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


@dataclass(eq=False)
class _Bar:
    what: str
    total: int | None
    start: float = field(default_factory=monotonic)
    done: int = 0

    @property
    def words(self) -> str:
        """Name, number and time left, if it can be known."""
        of = "" if self.total is None else f"/{self.total:,}"
        left = ""
        if self.total and self.done:
            seconds = (monotonic() - self.start) / self.done * (self.total - self.done)
            left = f" · {int(seconds) // 60}:{int(seconds) % 60:02d} left"
        return f"{printable(self.what)} {self.done:,}{of}{left}"

    @property
    def html(self) -> str:
        """Progress element in the colours of the page, before its words."""
        ends = "" if self.total is None else f' value="{self.done}" max="{self.total}"'
        style = "width:14em;vertical-align:middle"
        return f'<div><progress{ends} style="{style}"></progress> {escape(self.words)}</div>'


class NotebookBars:
    """Bars of the loops that run now, nested ones below; they go when the loops end.

    All loops of a cell share one place in its output.
    """

    def __init__(self) -> None:
        self._bars: list[_Bar] = []
        self._place: Any = None
        self._cell: object = None
        self._drawn = 0.0

    def draw(
        self, items: Iterable[object], what: str, total: int | None
    ) -> Generator[object, None, None]:
        """Yield the items and draw their number."""
        bar = _Bar(what, total)
        self._bars.append(bar)
        self._show()
        try:
            for item in items:
                yield item
                bar.done += 1
                if monotonic() - self._drawn > _SECONDS:
                    self._show()
        finally:
            self._bars.remove(bar)
            self._show()

    def say(self, line: str) -> None:
        """Show a message, which stays."""
        _display({"text/plain": printable(line)})

    def _show(self) -> None:
        """Draw all bars in the output of the running cell."""
        cell = getattr(notebook_shell(), "execution_count", None)
        content = {
            "text/html": "".join(bar.html for bar in self._bars),
            "text/plain": "\n".join(bar.words for bar in self._bars),
        }
        if self._cell != cell:
            self._cell = cell
            self._place = _display(content, display_id=True)
        else:
            self._place.update(content, raw=True)
        self._drawn = monotonic()


def _display(content: dict[str, str], **options: Any) -> Any:
    return sys.modules["IPython"].display.display(content, raw=True, **options)


BARS = NotebookBars()
"""Bars of this process."""
