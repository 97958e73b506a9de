"""`histoscribe predict PREDICTOR TARGET... --out DIR`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from histoscribe.cli.console import OutFolder, Plugins, Weights, load_plugins, say, weight_files
from histoscribe.cli.place_options import (
    Jobs,
    PlaceOptions,
    SchedulerAddress,
    ShardText,
    divided,
)
from histoscribe.errors import DataContractError, Problem
from histoscribe.printable import counted

if TYPE_CHECKING:
    from histoscribe.predict.order import Order, Outcome
    from histoscribe.predict.slide_job import SlideJob, SlideResult


Folder = Annotated[Path, typer.Argument(help="Folder that `train` or `benchmark` wrote.")]
Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help="Slides; or a cohort: manifest, catalog:NAME, hest:FOLDER, stnet:FOLDER.",
    ),
]
Spacing = Annotated[float, typer.Option(help="Distance between positions on a slide, um.")]
Mpp = Annotated[
    float | None, typer.Option(help="um per level-0 px, if the slides do not state it.")
]
MppFrom = Annotated[
    Literal["user", "metadata"] | None,
    typer.Option(metavar="SOURCE", help="um/px to trust if they differ: user (--mpp), metadata."),
]
ImageNumber = Annotated[
    int | None,
    typer.Option(min=1, help="Image of a file with several (default: the largest picture)."),
]
Damaged = Annotated[
    Literal["leave-out", "stop"],
    typer.Option(
        metavar="ACTION", help="Positions on damaged tiles of a slide: leave-out, or stop there."
    ),
]
Mask = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Tissue mask of the slide: picture or GeoJSON.")
]
Genes = Annotated[
    list[str] | None,
    typer.Option(
        "--gene",
        metavar="NAME",
        help="Gene for the GeoJSON (repeatable); the first one gives the colours.",
    ),
]
SpatialData = Annotated[bool, typer.Option("--spatialdata", help="Also write SpatialData.")]
Per = Annotated[
    Literal["slide", "patient"],
    typer.Option(
        metavar="UNIT",
        help="slide, or patient: TARGET is a CSV with the columns patient and slide.",
    ),
]
KeepUnlike = Annotated[
    bool,
    typer.Option(
        "--keep-unlike",
        help="Keep the values of positions beyond the training tissue, instead of NaN.",
    ),
]
Sections = Annotated[
    list[str] | None,
    typer.Option(
        "--section", metavar="ID", help="Section of the cohort (repeatable; default: all)."
    ),
]


def run(  # noqa: PLR0913 - one parameter an option
    predictor: Folder,
    targets: Targets,
    out_folder: OutFolder,
    *,
    spacing_um: Spacing = 100.0,
    mpp: Mpp = None,
    mpp_from: MppFrom = None,
    image_number: ImageNumber = None,
    damaged_tiles: Damaged = "leave-out",
    mask: Mask = None,
    gene: Genes = None,
    spatialdata: SpatialData = False,
    per: Per = "slide",
    keep_unlike: KeepUnlike = False,
    jobs: Jobs = 1,
    scheduler: SchedulerAddress = None,
    shard: ShardText = None,
    section: Sections = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Predict whole slides on a grid, or the sections of a cohort at their spots.

    Writes DIR/NAME.h5ad, and for a slide also NAME.geojson for QuPath and NAME.json; a stopped run
    continues where it was. Values outside the range of the training are clipped, and positions
    beyond the training tissue are NaN unless `--keep-unlike`. With `--per patient` also
    DIR/bulk.h5ad: the mean of each patient over the tissue of all slides, on the linear scale; a
    model of bags predicts each patient as one bag.
    """
    order = _order_class()(
        predictor=predictor,
        targets=tuple(targets),
        out=out_folder,
        weights=tuple(sorted(weight_files(weights).items())),
        sections=tuple(section or ()),
        spacing_um=spacing_um,
        mpp=mpp,
        mpp_from=mpp_from,
        image_number=image_number,
        damaged_tiles=damaged_tiles,
        mask=mask,
        genes=tuple(gene or ()),
        spatialdata=spatialdata,
        per=per,
        keep_unlike=keep_unlike,
    )
    _work(order, plugin, (jobs, scheduler, shard))


def _order_class() -> "type[Order]":
    """The record of an order; its module is imported when the command runs."""
    from histoscribe.predict.order import Order

    return Order


def _work(order: "Order", plugins: list[Path] | None, places: PlaceOptions) -> None:
    """Predict every target; problems of single targets are reported at the end."""
    from histoscribe.predict.order import predict

    load_plugins(plugins)
    division = divided(places, written=[order.out], read=[order.predictor])
    order = replace(order, division=division)
    say(_outline(order))
    problems = [problem for outcome in predict(order) for problem in _told(outcome)]
    of_patients = order.per == "patient"
    if of_patients and order.division.shard is not None:
        say("patients: the same command without --shard predicts them, when all slides are done")
    elif of_patients and problems:
        say("no patient was predicted: bulk.h5ad needs every slide of the manifest")
    if problems:
        raise DataContractError(problems)


def _told(outcome: "Outcome") -> list[Problem]:
    """Print an outcome; returns its problems."""
    from histoscribe.predict.patients import PatientsDone
    from histoscribe.predict.section_job import SectionDone

    if isinstance(outcome, SectionDone):
        say(str(outcome.path))
        say(f"{outcome.path.stem}: {outcome.beyond.words}")
        _warn(outcome.path.stem, outcome.warnings)
        return []
    if isinstance(outcome, PatientsDone):
        say(f"{outcome.path}: {outcome.n_patients} patients")
        _warn(outcome.path.name, outcome.warnings)
        return []
    if isinstance(outcome[0], Problem):  # of a section
        return [problem for problem in outcome if isinstance(problem, Problem)]
    job, of_slide = outcome
    if isinstance(of_slide, tuple):
        return list(of_slide)
    _tell(job, of_slide)
    return []


def _outline(order: "Order") -> str:
    """Number of targets, and of slides that were finished before."""
    slides, n_cohorts = order.slides, len(order.cohorts)
    parts = [counted(len(slides), "slide")] if slides else []
    parts += [counted(n_cohorts, "cohort")] if n_cohorts else []
    n_finished = sum((order.out / f"{slide.name}.json").is_file() for slide in slides)
    kept = f" ({n_finished} finished before)" if n_finished else ""
    return f"{' and '.join(parts)}{kept} with the predictor {order.predictor}"


def _tell(job: "SlideJob", done: "SlideResult") -> None:
    """Print the files, speed and warnings of a slide."""
    for path in job.files:
        say(str(path))
    name, genes = job.request.name, done.detections
    if done.n_tiles:
        say(
            f"{name}: {done.n_places:,} positions; {done.n_tiles:,} tiles in "
            f"{done.seconds / 60:.1f} min, {done.n_tiles / done.seconds:.1f} tiles/s"
        )
    else:
        say(f"{name}: {done.n_places:,} positions, finished before")
    say(f"{name}: {done.beyond.words}")
    say(f"{name}: {len(genes.genes)} genes in the GeoJSON: {genes.why}")
    for note in done.notes:
        say(f"{name}: note: {note}")
    _warn(name, done.warnings)


def _warn(name: str, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        say(f"{name}: warning: {warning}")
