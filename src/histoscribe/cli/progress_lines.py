"""Progress as lines of text, where no bars can be drawn: in log files and pipes."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from time import monotonic

from histoscribe.progress import duration

_NAMED_GAP_S, _UNNAMED_GAP_S, _INNER_GAP_S = 2.0, 10.0, 60.0
"""Least time between two lines: of steps with a name, of others, of work within a step."""
_LONGEST = 80


class ProgressLines:
    """A line for each finished step of the outermost loop, with the time left.

    A step with a name, such as a model and a fold, has its line unless it took less than two
    seconds; then it shares the line of a later one. Other steps, such as epochs, have a line every
    ten seconds. A loop within a step is heard only where the step takes minutes.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._open: list[object] = []
        self._written = clock()

    def draw(
        self, items: Iterable[object], what: str, total: int | None
    ) -> Generator[object, None, None]:
        """Yield the items; see `histoscribe.progress.track`."""
        loop, start = object(), self._clock()
        self._open.append(loop)
        try:
            for n_done, item in enumerate(items, start=1):
                yield item
                step = _Step(what, n_done, total, _names(item), start)
                self._step(step, inner=self._open[0] is not loop)
        finally:
            self._open.remove(loop)

    def _step(self, step: "_Step", *, inner: bool) -> None:
        """Write the line of a finished step, if it is time for one."""
        now = self._clock()
        taken = now - step.start
        gap = _INNER_GAP_S if inner else _NAMED_GAP_S if step.names else _UNNAMED_GAP_S
        ends = step.n_done == step.total and not inner and taken >= _NAMED_GAP_S
        quiet = now - self._written  # of a step within another one: since any line
        if ends or (quiet if inner else min(quiet, taken)) >= gap:
            self._written = now
            self._write("  " * inner + step.words(taken))


@dataclass(frozen=True)
class _Step:
    what: str
    n_done: int
    total: int | None
    names: str
    start: float
    """When the loop began."""

    def words(self, seconds: float) -> str:
        of_total = "" if self.total is None else f" of {self.total}"
        names = f" ({self.names})" if 0 < len(self.names) <= _LONGEST else ""
        left = ""
        if self.total is not None and self.n_done < self.total:
            rest = seconds / self.n_done * (self.total - self.n_done)
            left = f", about {duration(rest)} left"
        return f"{self.what}: {self.n_done}{of_total}{names}, {duration(seconds)}{left}"


def _names(item: object) -> str:
    parts = item if isinstance(item, tuple) else (item,)
    return ", ".join(filter(None, map(_name, parts)))


def _name(part: object) -> str:
    if isinstance(part, str):
        return part
    named = (getattr(part, attribute, None) for attribute in ("id", "name", "label"))
    return next((name for name in named if isinstance(name, str)), "")
