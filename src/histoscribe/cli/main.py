"""The command line. Commands import their rooms when they run, so `--help` is quick."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from histoscribe.cli import (
    benchmark,
    check,
    convert,
    data,
    demo,
    doctor,
    embed,
    encoders,
    explain,
    init,
    models,
    predict,
    report,
    score,
    train,
    view,
)
from histoscribe.cli.console import explained, messages_visible, progress_drawn, say
from histoscribe.printable import printable_lines

VERBS = (
    demo,
    init,
    check,
    embed,
    benchmark,
    score,
    train,
    predict,
    view,
    explain,
    report,
    data,
    models,
    encoders,
    convert,
    doctor,
)


# the base of all errors of arguments, which typer gives no public name
_ARGUMENT_ERROR: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class VerbGroup(TyperGroup):
    """Lists the verbs in the order of `VERBS`; typer would list those with sub-commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the verbs."""
        return [_name(verb) for verb in VERBS]

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the arguments; a message about them shows no control characters."""
        with _visible():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; a message about its arguments shows no control characters."""
        with _visible():
            return super().invoke(ctx)


@contextmanager
def _visible() -> Iterator[None]:
    """Escape control characters in typer's own messages, which repeat the arguments."""
    try:
        yield
    except _ARGUMENT_ERROR as error:
        error.message = printable_lines(error.message)
        raise


def _name(verb: ModuleType) -> str:
    return verb.__name__.rpartition(".")[2]


app = typer.Typer(
    cls=VerbGroup,
    name="histoscribe",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    if verb is explain:
        app.add_typer(explain.questions_app(), name="explain")
    else:
        app.command(name=_name(verb))(verb.run)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version_: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Predict spatial gene expression from H&E histology, and report honestly how well it works."""
    if version_:
        say(version("histoscribe"))
        raise typer.Exit


def main() -> None:
    """Run a command; a user's mistake ends in one message and exit code 2."""
    with explained(), messages_visible(), progress_drawn():
        app(prog_name="histoscribe")


if __name__ == "__main__":
    main()
