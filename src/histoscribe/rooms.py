"""Make `hs.benchmark(...)` callable although `histoscribe.benchmark` is also a room.

Importing a sub-package sets the attribute of its name in the parent package, whatever was there
before. So the room is made callable and passes the call to its function, whose signature and
description it shows.
"""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A sub-package that can be called like its function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with the room's name."""
        return self._function(*args, **kwargs)

    @property
    def _function(self) -> Callable[..., Any]:
        module, function = self._answers_for
        return getattr(import_module(module), function)

    @property
    def __signature__(self) -> inspect.Signature:
        """What `inspect.signature`, `?` and completion show."""
        return inspect.signature(self._function)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """What `help` and `?` show: the description of the function, with its call in short."""
        plain = [p.replace(annotation=p.empty) for p in self.__signature__.parameters.values()]
        call = f"{self.__name__.rpartition('.')[2]}{inspect.Signature(plain)}"
        first, blank, rest = (inspect.getdoc(self._function) or "").partition("\n\n")
        return f"{first}\n\n    {call}{blank}{rest}"


def answers_for(room: str, module: str) -> None:
    """Make the room `room` callable as the function of its name in `module`."""
    package = sys.modules[room]
    package.__class__ = CallableRoom
    vars(package)["_answers_for"] = (module, room.rpartition(".")[2])
