"""`histoscribe encoders`."""

from histoscribe.cli.console import out


def run() -> None:
    """List the encoders with width, input, licence and paper."""
    from rich import box
    from rich.table import Table

    from histoscribe.models.encoder import list_encoders

    table = Table(box=box.SIMPLE)
    table.add_column("encoder", no_wrap=True)
    for column in ("width", "px", "um/px", "weights", "licence, paper"):
        table.add_column(column, overflow="fold")
    for record in list_encoders():
        table.add_row(
            record.name,
            str(record.width),
            _or_any(record.input_px),
            _or_any(record.mpp),
            "a file" if record.needs_weights else "none",
            f"{record.licence}, {record.paper}",
        )
    out.print(table)


def _or_any(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
