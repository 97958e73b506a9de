"""Progress of long loops: silent in the library, drawn by the command line."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Drawer = Callable[[Iterable[object], str, int | None], Generator[object, None, None]]


def _silent(items: Iterable[object], what: str, total: int | None) -> Generator[object, None, None]:
    del what, total
    yield from items


_drawer: ContextVar[Drawer] = ContextVar("drawer", default=_silent)


def track(items: Iterable[T], what: str, total: int | None = None) -> Generator[T, None, None]:
    """Yield the items, telling whoever draws progress what they are and how many there are.

    A loop that another library runs takes the items with `next` and closes the generator itself.
    """
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
