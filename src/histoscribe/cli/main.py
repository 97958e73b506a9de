"""The command line. Verbs import what they need when they run, so `--help` is quick."""

import typer

from histoscribe.cli import (
    benchmark,
    check,
    data,
    demo,
    doctor,
    embed,
    encoders,
    explain,
    models,
    predict,
    report,
    train,
)
from histoscribe.cli.console import explained, progress_drawn

app = typer.Typer(
    name="histoscribe",
    help="Predict spatial gene expression from H&E histology, and say honestly how well.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (
    demo,
    check,
    embed,
    benchmark,
    train,
    predict,
    explain,
    report,
    data,
    models,
    encoders,
    doctor,
):
    app.command(name=verb.__name__.rpartition(".")[2])(verb.run)


def main() -> None:
    """Run a verb; a user's mistake ends in one message and exit code 2."""
    with explained(), progress_drawn():
        app()


if __name__ == "__main__":
    main()
