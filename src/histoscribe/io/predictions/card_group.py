"""Protocol cards as groups of an h5ad or zarr file, and back."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_LIST = "%list"
"""Member of a group that stands for a list of mixed items: their number."""


def group_of_card(card: str) -> dict[str, Any]:
    """Nested dictionary of a card in JSON, as AnnData can write it; `card_of_group` inverts it.

    A list of words, whole numbers, fractions or flags is an array; any other list, e.g. one of
    lists, is a dictionary with the keys `0`, `1` and so on, and its length under `%list`. A missing
    value is NaN. The signs `/` and `%` in a key are written as `%2F` and `%25`.

    >>> group_of_card('{"folds": 2, "row": null, "sites": {"a/b": [1, 2]}}')
    {'folds': 2, 'row': nan, 'sites': {'a%2Fb': array([1, 2])}}
    """
    group: dict[str, Any] = _stored(json.loads(card))
    return group


def card_of_group(group: Mapping[str, Any]) -> str:
    """The card in JSON, with sorted keys.

    >>> card_of_group(group_of_card('{"row": null, "scale": [[0.5], []]}'))
    '{"row": null, "scale": [[0.5], []]}'
    """
    return json.dumps(_restored(group), sort_keys=True)


def card_in(about: Mapping[str, Any]) -> str:
    """The card in JSON in what a file says about a prediction; empty without a card."""
    card = about.get("card", "")
    # older versions wrote JSON
    return card_of_group(card) if isinstance(card, Mapping) else str(card)


def _stored(value: Any) -> Any:
    if value is None:
        return np.nan
    if isinstance(value, Mapping):
        return {_key(name): _stored(item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    kinds = {type(item) for item in value}
    if not kinds or kinds == {str}:
        return np.array(value, dtype=object)
    if len(kinds) == 1 and kinds <= {int, float, bool}:
        return np.array(value)
    return {_LIST: len(value), **{str(row): _stored(item) for row, item in enumerate(value)}}


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        if _LIST in value:
            return [_restored(value[str(row)]) for row in range(int(value[_LIST]))]
        return {_name(key): _restored(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def _key(name: str) -> str:
    """Key of an HDF5 group: no empty text, and no path."""
    if name in ("", ".", ".."):
        return name.replace(".", "%2E") or "%"
    return name.replace("%", "%25").replace("/", "%2F")


def _name(key: str) -> str:
    if key == "%":
        return ""
    return key.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
