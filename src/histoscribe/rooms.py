"""Lets `hs.benchmark(...)` be called although `histoscribe.benchmark` is also a room.

Python sets a package's attribute to the sub-package once that is imported, whatever name stood
there before. So the room itself takes the call and passes it on to its function.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A sub-package that may be called like the function it is named after."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that has the room's name."""
        module, function = self._answers_for
        return getattr(import_module(module), function)(*args, **kwargs)


def answers_for(room: str, module: str) -> None:
    """Let the room `room` be called as the function of its name in `module`."""
    package = sys.modules[room]
    package.__class__ = CallableRoom
    vars(package)["_answers_for"] = (module, room.rpartition(".")[2])
