"""Where the training of published networks in a run differs from that of their publications."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from histoscribe.models.base import ExpressionModel, make_config
from histoscribe.models.recipe import Kept
from histoscribe.progress import tell
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import RunSettings

_FALLING = ("cosine", "warmup-cosine")  # schedules that end at zero
_KEPT: Mapping[Kept, str] = {
    "last": "last epoch",
    "best": "best epoch on held-out training patients",
    "best-on-test": "best epoch on test sections",
}
_OF_THE_ROW = ("model", "preset", "encoder", "exemplars")
_MOST_NAMED = 4  # rows, or differences that several rows share, in one line


def tell_departures(settings: RunSettings) -> None:
    """Say it before any work; nothing is said where nothing differs."""
    if line := departure_line(settings):
        tell(line)


def departure_line(settings: RunSettings) -> str:
    """One line: what differs from the publications, whose values stand in brackets.

    Compared are settings, epochs, batches, loss, tiles, encoder and exemplars of each network whose
    publication gives epochs. Genes, transform and folds are a choice of the run for all its rows.
    What more rows share comes first; the rest is counted, and stands on the cards. Empty without a
    difference.
    """
    n_published = sum(map(_is_published, settings.rows))
    rows_of: dict[str, list[str]] = {}
    for row in settings.rows:
        for departure in departures(settings, row):
            rows_of.setdefault(departure, []).append(row.name)
    shared: dict[tuple[str, ...], list[str]] = {}
    for departure, rows in rows_of.items():
        shared.setdefault(tuple(rows), []).append(departure)
    groups = sorted(shared.items(), key=lambda group: -len(group[0]))
    if not groups:
        return ""
    parts = [f"{_names(rows, n_published)}: {', '.join(of)}" for rows, of in groups]
    n_left = sum(len(of) for _, of in groups[_MOST_NAMED:])
    more = f"; and {n_left} more" if n_left else ""
    return f"not as published (in brackets what is): {'; '.join(parts[:_MOST_NAMED])}{more}"


def departures(settings: RunSettings, row: ModelRow) -> tuple[str, ...]:
    """What differs for one row; empty for one without a publication that gives epochs."""
    if not _is_published(row):
        return ()
    return (
        *_of_steps(settings, row),
        *_of_inputs(settings, row),
        *_of_size(settings.settings.get(row.name, {}), row),
    )


def _is_published(row: ModelRow) -> bool:
    return row.recipe.published and row.recipe.epochs is not None


def _names(rows: tuple[str, ...], n_published: int) -> str:
    if len(rows) <= _MOST_NAMED:
        return ", ".join(rows)
    return f"all {n_published}" if len(rows) == n_published else f"{len(rows)} of {n_published}"


def _of_steps(settings: RunSettings, row: ModelRow) -> Iterator[str]:
    train, recipe = settings.train, row.recipe
    n_epochs, kept = train.epochs_of(recipe), _kept(settings)
    if n_epochs != recipe.epochs:
        yield f"{_counted(n_epochs, 'epoch')} ({recipe.epochs})"
    if kept != recipe.keeps:
        yield f"{_KEPT[kept]} ({_KEPT[recipe.keeps]})"
    if recipe.schedule in _FALLING and train.keep == "best" and train.patience < n_epochs:
        yield "may stop before its cosine ends"
    step = train.batch_size_of(recipe) * train.accumulate * settings.run.devices
    if step != recipe.batch_size:
        yield f"batch {step} ({recipe.batch_size})"
    if _ends_early(settings, row):
        yield f"batches end at {train.batch_spots:,} tiles (none do)"
    if recipe.schedule is None and train.warmup_epochs:
        yield f"{_counted(train.warmup_epochs, 'epoch')} of warm-up (none)"
    plain = issubclass(row.cls, ExpressionModel) and row.cls.loss is ExpressionModel.loss
    own = "mse" if plain else "of its own"
    loss, published = own if train.loss == "model" else train.loss, recipe.loss or own
    if loss != published:
        yield f"loss {loss} ({published})"


def _kept(settings: RunSettings) -> Kept:
    if settings.train.keep == "last":
        return "last"
    return "best-on-test" if "epoch" in settings.folds.leaks else "best"


def _ends_early(settings: RunSettings, row: ModelRow) -> bool:
    """Whether full bags are too many tiles for a batch of as many bags as it may have."""
    if not issubclass(row.cls, ExpressionModel):
        return False
    limit = row.cls.tile_limit(row.config)
    n_tiles = limit.super_tiles or limit.most or 0
    return n_tiles * settings.train.batch_size_of(row.recipe) > settings.train.batch_spots


def _of_inputs(settings: RunSettings, row: ModelRow) -> Iterator[str]:
    inputs, exemplars, recipe = settings.inputs, row.exemplars, row.recipe
    if recipe.tile_px not in (None, inputs.tile_px):
        yield f"tiles of {inputs.tile_px} px ({recipe.tile_px})"
    encoder = row.encoder or inputs.encoder
    if recipe.encoder not in (None, encoder) and any("feature" in name for name in row.inputs):
        yield f"encoder {encoder} ({recipe.encoder})"
    if exemplars is None or recipe.n_exemplars is None:
        return
    if exemplars.n != recipe.n_exemplars:
        yield f"{_counted(exemplars.n, 'exemplar')} ({recipe.n_exemplars})"
    if exemplars.draw == "random":
        yield "exemplars at random (nearest)"
    elif exemplars.distance != "l2":
        yield f"exemplars by {exemplars.distance} (l2)"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _of_size(given: Mapping[str, Any], row: ModelRow) -> Iterator[str]:
    """Preset, and settings that the row or the publication names; those of a preset are many."""
    default = make_config(row.model, {})
    preset = given.get("preset", "default")
    if make_config(row.model, {"preset": preset}) != default:
        yield f"preset {preset}"
    published = vars(default) | row.recipe.settings
    named = [key for key in given if key not in _OF_THE_ROW]
    for key in dict.fromkeys((*named, *row.recipe.settings)):
        value = getattr(row.config, key)
        if value != published[key]:
            yield f"{key} {json.dumps(value)} ({json.dumps(published[key])})"
