"""`histoscribe score PREDICTION... --cohort COHORT --out DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from histoscribe.cli.console import (
    OutFolder,
    Plugins,
    Weights,
    load_plugins,
    say,
    weight_files,
)
from histoscribe.cli.run_options import Overrides, file_settings
from histoscribe.errors import DataContractError, Problem
from histoscribe.strict import override

Predictions = Annotated[
    list[str],
    typer.Argument(
        metavar="PREDICTION...",
        help="AnnData or CSV: a file named after its section, a file with a column of sections, or "
        "a folder of such files. NAME=PATH names the model.",
    ),
]
CohortName = Annotated[
    str,
    typer.Option(
        "--cohort",
        metavar="COHORT",
        help="Manifest, catalog:NAME, hest:FOLDER or stnet:FOLDER with the counts.",
    ),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Baseline beside the predictions (repeatable; default: mean, colour, depth, knn and "
        "ridge, or those of the file).",
    ),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE.toml",
        help="Settings of the run, e.g. those of a benchmark to compare with.",
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        metavar="[NAME=]UNIT",
        help="Scale of the values, e.g. cp10k-log1p. Repeatable, by model. Without it, only scores "
        "that are free of scale.",
    ),
]
TrainedOnFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Training data of the models: columns patient or section; fold and model, if they "
        "differ.",
    ),
]
SectionColumn = Annotated[
    str, typer.Option(metavar="NAME", help="Column with the section of each spot.")
]


def run(  # noqa: PLR0913 - one parameter an option
    prediction: Predictions,
    cohort: CohortName,
    out_folder: OutFolder,
    *,
    unit: Units = None,
    trained_on: TrainedOnFile = None,
    section_column: SectionColumn = "section",
    settings: SettingsOption = None,
    model: Baselines = None,
    set_: Overrides = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Score predictions of any tool as models of a benchmark are scored.

    They stand in one table with baselines that are fitted on the other patients of the cohort, on
    the same spots and genes. A stopped run continues where it was.
    """
    from histoscribe.benchmark.foreign.run import score
    from histoscribe.cli.table import print_result
    from histoscribe.report.page import write

    options = _settings(settings, cohort, set_, model, plugin)
    options |= {"unit": _units(unit), "trained_on": trained_on, "section_column": section_column}
    options["weights"] = weight_files(weights)
    result = score(cohort, prediction, out=out_folder, **options)
    page = write(out_folder)
    print_result(result)
    say("")
    say(f"report: {page}")
    say(f"what could not be checked: {out_folder / 'card.md'}")


def _settings(
    file: Path | None,
    cohort: str,
    overrides: Sequence[str] | None,
    models: Sequence[str] | None,
    plugins: Sequence[Path] | None,
) -> dict[str, Any]:
    """Arguments of `score` from a settings file, or from single settings."""
    if file is not None:
        return {"settings": file_settings(file, overrides, models, plugins, cohort=cohort)}
    load_plugins(plugins)
    tables: dict[str, Any] = {"models": list(models)} if models else {}
    for change in overrides or ():
        override(tables, change)
    return tables


def _units(texts: Sequence[str] | None) -> str | dict[str, str] | None:
    """Parse the option `--unit`: one unit for all models, or one each by name."""
    if not texts:
        return None
    parts = [text.rpartition("=") for text in texts]
    if len(parts) == 1 and not parts[0][1]:
        return texts[0]
    if unnamed := [text for text, (_, equals, _) in zip(texts, parts, strict=True) if not equals]:
        expected = "one unit for all models, or NAME=UNIT for each"
        remedy = "name the model of each unit"
        raise DataContractError(
            Problem(f"--unit {text}", "no '='", expected, remedy) for text in unnamed
        )
    return {name: unit for name, _, unit in parts}
