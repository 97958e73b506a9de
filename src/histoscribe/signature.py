"""Signatures that show all keywords of a function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def spelled_out(
    options: type[Any], defaults: Mapping[str, Any] | None = None
) -> Callable[[_Function], _Function]:
    """Show each key of a TypedDict as a keyword of a function with `**options`.

    The default of a keyword comes from `defaults`, else None.
    """
    known = defaults or {}

    def spell(function: _Function) -> _Function:
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        keywords = [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=known.get(key),
                annotation=kind if key in known else kind | None,
            )
            for key, kind in options.__annotations__.items()
        ]
        vars(function)["__signature__"] = signature.replace(parameters=[*named, *keywords])
        return function

    return spell
