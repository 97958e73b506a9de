"""The rows of a run on its card, in words: sizes, where networks started, what they looked up."""

from collections.abc import Iterator, Mapping
from typing import Any


def row_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A table of the rows, and how networks were trained; nothing where all are fitted at once."""
    networks = {name: row for name, row in card["models"].items() if "weights" in row}
    if not networks:
        return
    train = card["train"]
    epochs = "the best" if train["keep"] == "best" else "the last"
    yield "## Networks"
    yield ""
    yield (
        f"{train['epochs']} epochs, {epochs} kept, batches of {train['batch_size']}. A row without "
        "start weights began with random numbers."
    )
    yield ""
    yield "| row | model | settings | fitted numbers | start weights | exemplars |"
    yield "|---|---|---|---|---|---|"
    for name, row in networks.items():
        yield (
            f"| {name} | {row['model']} | {_settings(row['settings'])} "
            f"| {_span(row['n_parameters'])} | {_each(row['weights'])} | {_exemplars(row)} |"
        )
    yield ""


def _settings(settings: Mapping[str, Any]) -> str:
    own = {key: value for key, value in settings.items() if key not in ("model", "exemplars")}
    return ", ".join(f"{key} {value}" for key, value in own.items()) or "as published"


def _span(numbers: Mapping[str, int]) -> str:
    low, high = min(numbers.values()), max(numbers.values())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _each(values: Mapping[str, str]) -> str:
    return ", ".join(sorted({value[:19] for value in values.values()}))


def _exemplars(row: Mapping[str, Any]) -> str:
    if "exemplars" not in row:
        return "none"
    of_fold = row["exemplars"]
    shown = next(iter(of_fold.values()))
    how = "at random" if shown["draw"] == "random" else f"nearest by {shown['distance']}"
    pools = ", ".join(f"{fold} {found['pool']:,}" for fold, found in of_fold.items())
    look = f" ({shown['perceptual']})" if shown["distance"] == "lpips" else ""
    shift = f"; {shown['shift']}" if "shift" in shown else ""
    return (
        f"{shown['n']}, {how}{look}, none of the same {shown['training_exclusion']} in training, "
        f"none of the same {shown['test_exclusion']} in test; pools: {pools}{shift}"
    )
