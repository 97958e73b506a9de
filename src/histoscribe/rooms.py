"""Make `hs.benchmark(...)` callable although `histoscribe.benchmark` is also a room.

Importing a sub-package sets the attribute of its name in the parent package, whatever was there
before. So the room is made callable and passes the call to its function.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A sub-package that can be called like its function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with the room's name."""
        module, function = self._answers_for
        return getattr(import_module(module), function)(*args, **kwargs)


def answers_for(room: str, module: str) -> None:
    """Make the room `room` callable as the function of its name in `module`."""
    package = sys.modules[room]
    package.__class__ = CallableRoom
    vars(package)["_answers_for"] = (module, room.rpartition(".")[2])
