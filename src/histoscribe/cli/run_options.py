"""Options of the commands that read a settings file, and the settings that they give."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import load_plugins

if TYPE_CHECKING:
    from histoscribe.train.settings import RunSettings


def _model_names(incomplete: str) -> list[str]:
    """Models of installed packages that the shell can complete."""
    from histoscribe.models.catalog import list_models

    return [name for name in list_models() if name.startswith(incomplete)]


SettingsFile = Annotated[Path, typer.Argument(metavar="FILE.toml", help="Settings of the run.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a setting, e.g. train.epochs=5 (repeatable)."
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model instead of those of the file (repeatable).",
        autocompletion=_model_names,
    ),
]


def file_settings(
    file: Path,
    overrides: Sequence[str] | None,
    models: Sequence[str] | None,
    plugins: Sequence[Path] | None,
    *,
    cohort: str | None = None,
) -> "RunSettings":
    """Read a settings file with the changes of the command line.

    `cohort` is that of a file that names none.
    """
    from histoscribe.train.arguments import cohort_name
    from histoscribe.train.settings import read_settings

    load_plugins(plugins)
    of_models = [f"models={json.dumps(models)}"] if models else []
    named = None if cohort is None else cohort_name(cohort)
    return read_settings(file, [*(overrides or ()), *of_models], cohort=named)
