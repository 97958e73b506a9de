"""Progress of long loops: silent in the library, drawn by the command line."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Drawer = Callable[[Iterable[object], str, int | None], Iterator[object]]


def _silent(items: Iterable[object], what: str, total: int | None) -> Iterator[object]:
    del what, total
    return iter(items)


_drawer: ContextVar[Drawer] = ContextVar("drawer", default=_silent)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, telling whoever draws progress what they are and how many there are."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    return _drawer.get()(items, what, total)  # type: ignore[return-value]


@contextmanager
def drawn_by(drawer: Drawer) -> Iterator[None]:
    """Draw every loop inside the block with `drawer(items, what, total)`."""
    token = _drawer.set(drawer)
    try:
        yield
    finally:
        _drawer.reset(token)
