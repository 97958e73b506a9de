"""`histoscribe models`."""

from histoscribe.cli.console import out


def run() -> None:
    """List the models with their papers."""
    from rich import box
    from rich.table import Table

    import histoscribe.models  # noqa: F401  fills the registry
    from histoscribe.models.base import list_models, model_class

    table = Table(box=box.SIMPLE)
    table.add_column("model", no_wrap=True)
    for column in ("what it is", "paper or reason"):
        table.add_column(column, overflow="fold")
    for name in list_models():
        cls = model_class(name)
        table.add_row(name, (cls.__doc__ or "").partition("\n")[0], cls.paper)
    out.print(table)
