"""What names of the package mean to a reader who never saw its code."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from histoscribe.data.transform import TRANSFORMS
from histoscribe.models.catalog import list_models, model_record

_BESIDE = MappingProxyType(
    {
        "oracle-depth": "What depth alone explains: each gene's line on the measured total count. "
        "It looks at the counts, so no model can use it.",
        "shuffled": "What chance alone reaches: ridge on shuffled expression.",
    }
)


def unit_in_words(transform: str) -> str:
    """What the values of a target are; the name alone of a transform that is not registered."""
    return TRANSFORMS[transform].unit if transform in TRANSFORMS else transform


def model_in_words(name: str) -> str:
    """One sentence on a model; empty for one that this version does not know."""
    if name in _BESIDE:
        return _BESIDE[name]
    if name not in list_models():
        return ""
    return model_record(name).title


def row_in_words(name: str, card: Mapping[str, Any]) -> str:
    """A row of the tables: what its model does, and where the row differs from it.

    `card` is that of the run; one of an older version knows rows that are models only.
    """
    known = card.get("models", {}).get(name, {})
    model = known.get("model", name)
    if model == name:
        return model_in_words(name)
    given = {key: value for key, value in known["settings"].items() if key != "model"}
    settings = ", ".join(_given(given)) or "its own settings"
    return f"{model_in_words(model)} This row is {model} with {settings}.".lstrip()


def _given(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _given(value, f"{above}{key}.")
        else:
            yield f"{above}{key} = {value}"
