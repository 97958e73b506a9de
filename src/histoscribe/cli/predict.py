"""`histoscribe predict PREDICTOR COHORT --out DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from histoscribe.cli.console import OutFolder, Weights, say, weight_files


def run(
    predictor: Annotated[Path, typer.Argument(help="Folder that `train` or `benchmark` wrote.")],
    cohort: Annotated[str, typer.Argument(help="Manifest or catalog:NAME.")],
    out_folder: OutFolder,
    section: Annotated[
        list[str] | None, typer.Option("--section", help="Only this section (repeatable).")
    ] = None,
    weights: Weights = None,
) -> None:
    """Predict the sections of a cohort: one .h5ad a section; finished ones are kept."""
    from histoscribe.io.anndata import write_prediction
    from histoscribe.io.cohort import read_cohort
    from histoscribe.io.run_folder import claimed
    from histoscribe.io.weights import cache_folder
    from histoscribe.progress import track
    from histoscribe.train.card import data_files
    from histoscribe.train.predictor import load_predictor

    loaded = load_predictor(predictor, weight_files(weights))
    sections = read_cohort(cohort, sections=tuple(section) if section else None)
    run = {"predictor.txt": f"{loaded.name} {loaded.hash}\n", **data_files(sections)}
    with claimed(out_folder, run):
        for name in track(sections.ids, "sections"):
            path = out_folder / f"{name}.h5ad"
            if not path.exists():
                write_prediction(loaded(sections[name], cache_folder()), path)
            say(str(path))
