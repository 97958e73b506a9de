"""`histoscribe models`."""

from histoscribe.cli.console import Plugins, load_plugins, out


def run(plugin: Plugins = None) -> None:
    """List the models with their papers and licences, and those of your own files."""
    from rich import box
    from rich.table import Table

    from histoscribe.models.catalog import model_records

    load_plugins(plugin)
    table = Table(box=box.SIMPLE)
    table.add_column("model", no_wrap=True)
    table.add_column("what it does; paper or reason; licence", overflow="fold")
    for record in model_records():
        table.add_row(record.name, f"{record.title}\n{record.paper}; {record.licence}")
    out.print(table)
