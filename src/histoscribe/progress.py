"""Progress of long loops: silent in scripts, drawn in notebooks and by the command line."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from histoscribe.notebook_bars import BARS, notebook_shell

T = TypeVar("T")
Drawer = Callable[[Iterable[object], str, int | None], Generator[object, None, None]]


def _silent(items: Iterable[object], what: str, total: int | None) -> Generator[object, None, None]:
    del what, total
    yield from items


def _nobody(line: str) -> None:
    del line


_drawer: ContextVar[Drawer | None] = ContextVar("drawer", default=None)
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def track(items: Iterable[T], what: str, total: int | None = None) -> Generator[T, None, None]:
    """Yield the items and report their name and number to the progress display.

    Other libraries that run the loop call `next` and must close the generator.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    drawer = _drawer.get() or (BARS.draw if notebook_shell() else _silent)
    return drawer(items, what, total)  # type: ignore[return-value]


def duration(seconds: float) -> str:
    """A time in words, with no more than two digits from a hundred seconds on.

    >>> duration(0.31), duration(42.3), duration(200.0), duration(9000.0)
    ('0.3 s', '42 s', '3.3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.2g} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


def tell(line: str) -> None:
    """Send a line to the listener: a message for people while the work goes on."""
    listener = _listener.get() or (BARS.say if notebook_shell() else _nobody)
    listener(line)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Send every message inside the block to `listener(line)`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def drawn_by(drawer: Drawer) -> Iterator[None]:
    """Draw every loop inside the block with `drawer(items, what, total)`."""
    token = _drawer.set(drawer)
    try:
        yield
    finally:
        _drawer.reset(token)
