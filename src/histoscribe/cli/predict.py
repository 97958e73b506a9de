"""`histoscribe predict PREDICTOR TARGET... --out DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import OutFolder, Weights, say, weight_files
from histoscribe.errors import DataContractError, Problem

if TYPE_CHECKING:
    from histoscribe.predict.work import Done, Job


def run(  # noqa: PLR0913 - one parameter an option
    predictor: Annotated[Path, typer.Argument(help="Folder that `train` or `benchmark` wrote.")],
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help="Slides; or a cohort: manifest or catalog:NAME."),
    ],
    out_folder: OutFolder,
    *,
    spacing_um: Annotated[
        float, typer.Option(help="Distance between places on a slide, um.")
    ] = 100.0,
    mpp: Annotated[
        float | None, typer.Option(help="um per level-0 px, where the slides do not say it.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tissue of the slide: picture or GeoJSON."),
    ] = None,
    gene: Annotated[
        list[str] | None,
        typer.Option("--gene", metavar="NAME", help="Put into the GeoJSON (repeatable)."),
    ] = None,
    spatialdata: Annotated[
        bool, typer.Option("--spatialdata", help="Write SpatialData, too.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Slides predicted at once.")] = 1,
    section: Annotated[
        list[str] | None,
        typer.Option("--section", metavar="ID", help="Only this of a cohort (repeatable)."),
    ] = None,
    weights: Weights = None,
) -> None:
    """Predict whole slides on a grid, or the sections of a cohort at their spots.

    Writes DIR/NAME.h5ad, and of a slide NAME.geojson for QuPath and NAME.json; goes on where a
    stopped run was.
    """
    from histoscribe.predict.targets import Order, predict

    order = Order(
        predictor=predictor,
        targets=tuple(targets),
        out=out_folder,
        weights=tuple(sorted(weight_files(weights).items())),
        sections=tuple(section or ()),
        spacing_um=spacing_um,
        mpp=mpp,
        mask=mask,
        genes=tuple(gene or ()),
        spatialdata=spatialdata,
        n_processes=jobs,
    )
    problems: list[Problem] = []
    for found in predict(order):
        if isinstance(found, Path):
            say(str(found))
            continue
        job, outcome = found
        if isinstance(outcome, tuple):
            problems += outcome
        else:
            _tell(job, outcome)
    if problems:
        raise DataContractError(problems)


def _tell(job: "Job", done: "Done") -> None:
    """Say what came of a slide, how quick, and what to beware of."""
    for path in job.files:
        say(str(path))
    name, genes = job.request.name, job.detections
    if done.n_tiles:
        say(
            f"{name}: {done.n_places:,} places; {done.n_tiles:,} tiles in "
            f"{done.seconds / 60:.1f} min, {done.n_tiles / done.seconds:.1f} tiles/s"
        )
    else:
        say(f"{name}: {done.n_places:,} places, finished before")
    say(f"{name}: {len(genes.genes)} genes in the GeoJSON: {genes.why}")
    for warning in done.warnings:
        say(f"{name}: warning: {warning}")
