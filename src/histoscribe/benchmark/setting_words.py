"""Settings of a row in words, for cards and pages."""

from collections.abc import Iterator, Mapping
from typing import Any


def setting_words(settings: Mapping[str, Any]) -> str:
    """Settings one after another; empty for none.

    >>> setting_words({"width": 64, "exemplars": {"draw": "random"}, "sizes": [3, 5]})
    'width 64, exemplars.draw random, sizes 3 and 5'
    """
    return ", ".join(f"{name} {value}" for name, value in setting_values(settings).items())


def setting_values(settings: Mapping[str, Any]) -> dict[str, str]:
    """Each setting by its name with dots, its value in words."""
    return dict(_each(settings, ""))


def _each(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _each(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " and ".join(_value(item) for item in value) or "none"
    return str(value)
