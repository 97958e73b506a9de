"""`histoscribe encoders [NAME]`."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import out, say
from histoscribe.errors import DataContractError

if TYPE_CHECKING:
    from histoscribe.encoders.record import EncoderRecord

_WIDTH = 80  # width of the table, for a pipe without a width
_READ = {
    "class": "the class token",
    "class+mean": "the class token, then the mean patch token",
    "mean": "the mean over the last map",
}
_NOTE = """px: the side tiles are resized to. um/px: what it was trained at, if stated.
weights: `here` were found; `missing` and `gated` were not, and the hub gives
gated ones only to those who accept their terms.
All of one encoder: histoscribe encoders NAME.
Besides, torchvision:MODEL and timm:MODEL, with --weights NAME=FILE."""


def run(
    name: Annotated[str | None, typer.Argument(help="Show all facts of this encoder.")] = None,
) -> None:
    """List encoders with width, input, um/px, licence and whether their weights are here."""
    from histoscribe.encoders.catalog import find_record, list_encoders, unknown_encoder

    if name is None:
        for group, records in groupby(list_encoders(), lambda record: record.group):
            _print_group(group, list(records))
        for line in _NOTE.splitlines():
            say(line)
        return
    record = find_record(name)
    if record is None:
        raise DataContractError(unknown_encoder(name))
    _print_record(record)


def _print_group(group: str, records: "list[EncoderRecord]") -> None:
    from rich import box
    from rich.table import Table

    table = Table(
        title=group,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        width=min(_WIDTH, out.width),
    )
    table.add_column("encoder", no_wrap=True, min_width=26)
    for column in ("width", "px", "um/px"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    table.add_column("licence", overflow="fold", ratio=1)
    for record in records:
        table.add_row(
            record.name,
            str(record.width),
            "any" if record.input_px is None else str(record.input_px),
            "-" if record.mpp is None else f"{record.mpp:g}",
            _weights(record),
            record.licence,
        )
    out.print(table)


def _weights(record: "EncoderRecord") -> str:
    """State of the weights in one word."""
    from histoscribe.io.weights import find_weights

    if not record.needs_weights:
        return "none"
    try:
        found = find_weights(record.name, hub=record.published)
    except DataContractError:
        return "several"  # its own page says which, and how to choose one
    if found is not None:
        return "here"
    return "gated" if record.gated else "missing"


def _print_record(record: "EncoderRecord") -> None:
    """Print all facts of one encoder, and how to get missing weights."""
    from histoscribe.encoders.catalog import missing_weights
    from histoscribe.io.weights import find_weights, weight_places

    side = "of any size" if record.input_px is None else f"resized to {record.input_px} px"
    scale = f"trained at {record.mpp:g} um/px" if record.mpp else "no um/px stated"
    say(f"{record.name} ({record.group})")
    say(f"  features: {record.width}, {_READ[record.read]}")
    say(f"  tiles: {side}; {scale}")
    say(f"  licence: {record.licence}")
    say(f"  paper: {record.paper}")
    if not record.needs_weights:
        return
    found = find_weights(record.name, hub=record.published)
    if found is not None:
        say(f"  weights: {found}")
    else:
        problem = missing_weights(record.name, weight_places(record.name))
        say(f"  weights: not here; {problem.remedy}")
