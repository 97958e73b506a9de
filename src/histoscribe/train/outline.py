"""One line about a training before it starts: model, data, cached features, time."""

from collections.abc import Mapping
from pathlib import Path

from histoscribe.io.durations import last_duration
from histoscribe.printable import counted
from histoscribe.progress import duration
from histoscribe.train.run_data import RunData


def training_outline(run_data: RunData, files: Mapping[str, str]) -> str:
    """Model, sections, cached features, and the time of the last training."""
    (row,), cohort = run_data.settings.rows, run_data.cohort
    n_spots = sum(len(section.spots) for section in cohort)
    parts = (
        f"{row.name} on {counted(len(cohort.ids), 'section')}, {n_spots:,} spots",
        cached_words(run_data),
        time_words(run_data.cache, files),
    )
    return "; ".join(parts)


def cached_words(run_data: RunData) -> str:
    """How many sections have their features in the cache; for features of all folds only."""
    if run_data.by_fold:
        return "features of each fold, computed or read from the cache"
    n_sections = len(run_data.cohort.ids)
    return f"features of {run_data.n_cached()} of {n_sections} in the cache"


def time_words(cache: Path, files: Mapping[str, str]) -> str:
    """How long the same run took the last time."""
    seconds = last_duration(cache, files)
    return "not timed before" if seconds is None else f"took {duration(seconds)} last time"
