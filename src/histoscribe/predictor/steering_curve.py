"""Concepts that steered a training: their losses and shares by epoch, and what outweighed what."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from histoscribe.io.csv_table import csv_rows
from histoscribe.models.base import ExpressionModel

STEERING = "steering"
"""Key of the record in `ExpressionModel.choice`."""
MAIN = "genes"
"""Name of the loss of the genes in that record."""
STEERING_FILE = "steering.csv"
_COLUMNS = ["member", "epoch", "loss_of", "aim", "loss", "share", "kept"]


def is_steered(members: Sequence[ExpressionModel]) -> bool:
    """Whether concepts steered the training of these networks."""
    return any(STEERING in member.choice for member in members)


def steering_text(members: Sequence[ExpressionModel]) -> str:
    """Text of `steering.csv`: a row for each network, epoch and loss.

    `loss` is the mean over the steps of the epoch; `share` that of the gradient at the
    representation, after its weight, among those of all losses. `kept` is 1 for the epoch whose
    weights are the result. Members and epochs are counted from 1.
    """
    rows = [
        [str(number), *row]
        for number, member in enumerate(members, start=1)
        for row in _rows(member.choice)
    ]
    return csv_rows([_COLUMNS, *rows])


def mean_shares(choice: Mapping[str, Any]) -> dict[str, float]:
    """Mean share of each loss over the epochs up to the one that is kept; empty without concepts.

    Later epochs left nothing in the weights.
    """
    found = {}
    for name, record in choice.get(STEERING, {}).items():
        known = [share for share in record["share"][: choice["epoch"]] if share is not None]
        if known:
            found[name] = sum(known) / len(known)
    return found


def side_task_warnings(choice: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which concepts had a larger share of the gradient than the loss of the genes.

    The gradient at the representation is what moves the network; losses have units of their own
    and tell nothing about that.
    """
    shares = mean_shares(choice)
    main = shares.get(MAIN, 1.0)
    return tuple(
        f"the concept {name} outweighs the genes: {share:.0%} of the gradient at the "
        f"representation, mean of the epochs up to the one that is kept, and the genes {main:.0%}; "
        f"lower steer.{choice[STEERING][name]['aim']}_weight"
        for name, share in shares.items()
        if name != MAIN and share > main
    )


def _rows(choice: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, record in choice.get(STEERING, {}).items():
        pairs = zip(record["loss"], record["share"], strict=True)
        for epoch, (loss, share) in enumerate(pairs, start=1):
            kept = str(int(epoch == choice["epoch"]))
            yield [str(epoch), name, record["aim"], _number(loss), _number(share), kept]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
