"""`histoscribe train FILE.toml --out DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from histoscribe.cli.console import OutFolder, Plugins, Weights, say, weight_files
from histoscribe.cli.run_options import Models, Overrides, SettingsFile, file_settings


def run(  # noqa: PLR0913 - one parameter an option
    settings: SettingsFile,
    out_folder: OutFolder,
    *,
    benchmark: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of a finished benchmark with the same model, settings and sections: the "
            "predictor stores its score of each gene.",
        ),
    ] = None,
    model: Models = None,
    set_: Overrides = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Fit one model on all sections and write one predictor folder."""
    from histoscribe.train.run import train

    predictor = train(
        settings=file_settings(settings, set_, model, plugin),
        out=out_folder,
        scores=benchmark,
        weights=weight_files(weights),
    )
    say(f"predictor {predictor.name}, {len(predictor.target.genes)} genes: {out_folder}")
    if why := predictor.gene_scores.why_unknown:
        say(
            f"Reliability of its genes is unknown: {why}. "
            "Give a run folder of `histoscribe benchmark` with --benchmark."
        )
    say("Its MODEL_CARD.md describes the model, its reliability and how to run it.")
