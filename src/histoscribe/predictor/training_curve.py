"""Loss and inner score of each epoch of the networks of a predictor, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from histoscribe.io.csv_table import csv_rows
from histoscribe.models.base import ExpressionModel

TRAINING_FILE = "training.csv"
_COLUMNS = ["member", "epoch", "loss", "inner_score", "metric", "kept"]
_INNER = "inner_"


def training_text(members: Sequence[ExpressionModel]) -> str:
    """Text of `training.csv`: a row for each network of an ensemble and each of its epochs.

    Both are counted from 1. `loss` is the mean over the steps of the epoch; `inner_score` that of
    the validation patients, by the score that `metric` names. Both are empty without such patients,
    and the score where it is undefined. `kept` is 1 for the epoch whose weights are the result.
    """
    rows = [
        [str(number), *row]
        for number, member in enumerate(members, start=1)
        for row in _rows(member.choice)
    ]
    return csv_rows([_COLUMNS, *rows])


def _rows(choice: Mapping[str, Any]) -> Iterator[list[str]]:
    (key,) = (name for name in choice if name.startswith(_INNER))
    metric, losses = key.removeprefix(_INNER) if choice[key] else "", choice["loss"]
    scores = choice[key] or [None] * len(losses)
    for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True), start=1):
        kept = str(int(epoch == choice["epoch"]))
        yield [str(epoch), _number(loss), _number(score), metric, kept]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
