"""Short explanations of the package's names, for readers of a report."""

from collections.abc import Mapping
from types import MappingProxyType

from histoscribe.benchmark.setting_words import setting_words
from histoscribe.data.transform import TRANSFORMS
from histoscribe.models.catalog import list_models, model_record
from histoscribe.types import RowCard

_REFERENCE_ROWS = MappingProxyType(
    {
        "oracle-depth": "What depth alone explains: each gene predicted from the measured total "
        "count. It uses the counts, so no model can use it.",
        "shuffled": "What chance alone reaches: ridge on shuffled expression.",
    }
)


def unit_in_words(transform: str) -> str:
    """Unit of a target's values in words; an unregistered transform is returned as it is."""
    return TRANSFORMS[transform].unit if transform in TRANSFORMS else transform


def model_in_words(name: str) -> str:
    """One sentence about a model; empty for an unknown model."""
    if name in _REFERENCE_ROWS:
        return _REFERENCE_ROWS[name]
    if name not in list_models():
        return ""
    return model_record(name).title


def row_in_words(name: str, rows: Mapping[str, RowCard]) -> str:
    """Explanation of a row of the tables: its model, and the settings that differ.

    `rows` are those of the run's card. Reference rows such as `shuffled` are not among them.
    """
    row = rows.get(name)
    if row is None or row.model == name:
        return model_in_words(name)
    given = {key: value for key, value in row.settings.items() if key != "model"}
    settings = setting_words(given) or "its default settings"
    return f"{model_in_words(row.model)} This row is {row.model} with {settings}.".lstrip()
