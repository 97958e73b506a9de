"""An extension of griffe: functions with `spelled_out` show all their keywords, as `help` does."""

import inspect
from importlib import import_module
from typing import Any

import griffe

MARK = "histoscribe.signature.spelled_out"


class SpelledOut(griffe.Extension):
    """Replaces `**options: Unpack[...]` by the keywords and their defaults."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Spell one function out, if it is marked."""
        if not any(decorator.callable_path == MARK for decorator in func.decorators):
            return
        function = getattr(import_module(func.module.path), func.name)
        (options,) = [p for p in func.parameters if p.kind is griffe.ParameterKind.var_keyword]
        keywords = func.modules_collection[options.annotation.slice.canonical_path].attributes
        del func.parameters[options.name]
        for name, parameter in inspect.signature(function).parameters.items():
            if name in keywords:
                func.parameters[name] = griffe.Parameter(
                    name,
                    annotation=keywords[name].annotation,
                    kind=griffe.ParameterKind.keyword_only,
                    default=repr(parameter.default),
                )
