"""`histoscribe predict PREDICTOR TARGET... --out DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import OutFolder, Weights, say, weight_files
from histoscribe.errors import DataContractError, Problem

if TYPE_CHECKING:
    from histoscribe.predict.order import Order
    from histoscribe.predict.slide_job import SlideJob, SlideResult


Folder = Annotated[Path, typer.Argument(help="Folder that `train` or `benchmark` wrote.")]
Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help="Slides; or a cohort: manifest, catalog:NAME, hest:FOLDER, stnet:FOLDER.",
    ),
]
Spacing = Annotated[float, typer.Option(help="Distance between places on a slide, um.")]
Mpp = Annotated[
    float | None, typer.Option(help="um per level-0 px, where the slides do not say it.")
]
Mask = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Tissue of the slide: picture or GeoJSON.")
]
Genes = Annotated[
    list[str] | None,
    typer.Option("--gene", metavar="NAME", help="Put into the GeoJSON (repeatable)."),
]
SpatialData = Annotated[bool, typer.Option("--spatialdata", help="Write SpatialData, too.")]
Jobs = Annotated[int, typer.Option(min=1, help="Slides predicted at once.")]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="ID", help="Only this of a cohort (repeatable)."),
]


def run(  # noqa: PLR0913 - one parameter an option
    predictor: Folder,
    targets: Targets,
    out_folder: OutFolder,
    *,
    spacing_um: Spacing = 100.0,
    mpp: Mpp = None,
    mask: Mask = None,
    gene: Genes = None,
    spatialdata: SpatialData = False,
    jobs: Jobs = 1,
    section: Sections = None,
    weights: Weights = None,
) -> None:
    """Predict whole slides on a grid, or the sections of a cohort at their spots.

    Writes DIR/NAME.h5ad, and of a slide NAME.geojson for QuPath and NAME.json; goes on where a
    stopped run was.
    """
    from histoscribe.predict.order import Order

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
    _work(order)


def _work(order: "Order") -> None:
    """Predict every target; what does not do is told at the end."""
    from histoscribe.predict.order import SectionDone, predict

    problems: list[Problem] = []
    for found in predict(order):
        if isinstance(found, SectionDone):
            say(str(found.path))
            _warn(found.path.stem, found.warnings)
            continue
        job, outcome = found
        if isinstance(outcome, tuple):
            problems += outcome
        else:
            _tell(job, outcome)
    if problems:
        raise DataContractError(problems)


def _tell(job: "SlideJob", done: "SlideResult") -> None:
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
    _warn(name, done.warnings)


def _warn(name: str, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        say(f"{name}: warning: {warning}")
