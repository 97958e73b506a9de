"""`histoscribe encoders`."""

from histoscribe.cli.console import out


def run() -> None:
    """List the encoders with width, input, licence and paper."""
    from rich.table import Table

    from histoscribe.models.encoder import list_encoders

    table = Table("encoder", "width", "input px", "um/px", "weights", "licence", "paper")
    for record in list_encoders():
        table.add_row(
            record.name,
            str(record.width),
            str(record.input_px),
            str(record.mpp),
            "from a file" if record.needs_weights else "none needed",
            record.licence,
            record.paper,
        )
    out.print(table)
