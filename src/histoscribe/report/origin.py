"""Where a run comes from: its cohort in words, and its day."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from histoscribe.benchmark.setting_words import setting_values
from histoscribe.io.cohorts.catalog import CATALOG
from histoscribe.io.cohorts.cohort import MEMORY
from histoscribe.types import RunCard

_FACTS = ("species", "organ", "tissue", "subtype", "disease", "disease_state")
_PREFIX = "catalog:"
SETTINGS = "settings.toml"
END = "run.json"
"""Time and machine of the end of a run."""


@dataclass(frozen=True)
class Origin:
    """What a run was asked for, beside its card."""

    cohort: str
    """As its settings name it; a file without its folder."""
    day: str
    """Day of its end in UTC, e.g. `2026-11-28`."""
    settings: Mapping[str, str]
    """Every setting but the cohort, by its name with dots."""
    again: bool
    """Whether its settings file makes it again; not for a cohort handed over in Python."""


def read_origin(folder: Path) -> Origin:
    """Read the origin of a finished run from its settings and its end."""
    table = tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    cohort = str(table.pop("cohort"))
    ended = json.loads((folder / END).read_text(encoding="utf-8"))["ended"]
    settings = setting_values(table)
    return Origin(_cohort_name(cohort), str(ended)[:10], settings, again=cohort != MEMORY)


def _cohort_name(cohort: str) -> str:
    """Name without the folders of this machine, which mean nothing to other readers."""
    if cohort.startswith(_PREFIX):
        return cohort
    prefix = next((name for name in ("hest:", "stnet:") if cohort.startswith(name)), "")
    return prefix + Path(cohort.removeprefix(prefix)).name


def cohort_in_words(origin: Origin) -> str:
    """Name of the cohort; of the catalog, followed by its title."""
    if origin.cohort == MEMORY:
        return "a cohort handed over in Python"
    record = CATALOG.get(origin.cohort.removeprefix(_PREFIX))
    if origin.cohort.startswith(_PREFIX) and record is not None:
        return f"{origin.cohort}: {record.title}"
    return origin.cohort


def tissue_in_words(card: RunCard) -> str:
    """Species, organ and kind of tissue that all sections share; empty where none is stated."""
    return ", ".join(card.facts[name] for name in _FACTS if name in card.facts)
