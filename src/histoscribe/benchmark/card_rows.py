"""Rows of a run on its card, in words: sizes, initial weights, exemplars."""

from collections.abc import Iterator, Mapping
from typing import Any

from histoscribe.benchmark.setting_words import setting_words
from histoscribe.predictor.steer_lines import steer_lines
from histoscribe.train.settings import TrainSettings
from histoscribe.types import RowCard, SteerCard


def row_lines(rows: Mapping[str, RowCard], train: TrainSettings) -> Iterator[str]:
    """Table of the rows, and the training of networks; empty for models in closed form."""
    networks = {name: row for name, row in rows.items() if row.weights}
    if not networks:
        return
    kept = "best" if train.keep == "best" else "last"
    yield "## Networks"
    yield ""
    yield (f"The {kept} epoch was kept. A row without start weights began with random numbers.")
    if train.loss != "model":
        yield ""
        yield f"Loss of all of them: `{train.loss}`{_loss_facts(train)}."
    yield ""
    yield (
        "| row | model | settings | epochs | batch, at most "
        "| not as published (in brackets what is) | fitted numbers | start weights | exemplars |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, row in networks.items():
        yield (
            f"| {name} | {row.model} | {_settings(row.settings)} "
            f"| {row.epochs or train.epochs} | {row.batch_size or train.batch_size} "
            f"| {', '.join(row.departures)} | {_span(row.n_parameters)} | {_each(row.weights)} "
            f"| {_exemplars(row)} |"
        )
    yield ""
    for name, row in networks.items():
        yield from _steered(name, row.steer)


def _steered(name: str, cards: Mapping[str, SteerCard]) -> Iterator[str]:
    """Concepts that steered a row in each fold; empty without any."""
    for fold, card in cards.items():
        yield f"{name}, fold {fold}:"
        yield ""
        yield from steer_lines(card)
        yield ""


def _loss_facts(train: TrainSettings) -> str:
    if train.loss == "mse-pcc":
        return f", with a weight of {train.pcc_weight:g} for the correlation"
    if train.counts is not None:
        return (
            ", the likelihood of raw counts; values are the mean per 10,000 counts, with their "
            "standard deviation"
        )
    return ""


def _settings(settings: Mapping[str, Any]) -> str:
    own = {key: value for key, value in settings.items() if key not in ("model", "exemplars")}
    return setting_words(own) or "default"


def _span(numbers: Mapping[str, int]) -> str:
    low, high = min(numbers.values()), max(numbers.values())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _each(values: Mapping[str, str]) -> str:
    return ", ".join(sorted({value[:19] for value in values.values()}))


def _exemplars(row: RowCard) -> str:
    if not row.exemplars:
        return "none"
    shown = next(iter(row.exemplars.values()))
    how = "at random" if shown.draw == "random" else f"nearest by {shown.distance}"
    pools = ", ".join(f"{fold} {of.pool:,}" for fold, of in row.exemplars.items())
    look = f" ({shown.perceptual})" if shown.distance == "lpips" else ""
    shift = f"; {shown.shift}" if shown.shift else ""
    return (
        f"{shown.n}, {how}{look}, none of the same {shown.training_exclusion} in training, "
        f"none of the same {shown.test_exclusion} in test; pools: {pools}{shift}"
    )
