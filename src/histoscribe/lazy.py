"""Lazy imports: names of a package, and methods of a class, that are imported on first use."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MethodType
from typing import Any


def imported_on_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package; `homes` maps each of its names to a module."""

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


class MethodOf:
    """A function of a higher room as a method, imported when it is first used.

    The object is the function's first argument. `help` and `inspect.signature` show the function.
    """

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        function = getattr(import_module(self._module), self._function)
        return function if instance is None else MethodType(function, instance)
