"""`histoscribe init FOLDER...`: a manifest of the sections in folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import say

if TYPE_CHECKING:
    from histoscribe.io.sections.source import Source


def run(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders to search, with all below.")
    ],
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the new files.")
    ] = Path(),
) -> None:
    """Find sections in folders; write cohort.csv, for you to fill in patients, and run.toml.

    Finds runs of Space Ranger (also as GEO keeps them), Visium HD, Xenium, AnnData, SpatialData, ST
    arrays, sparse matrices, and folders like HEST-1k and ST-Net. Existing files are never replaced.
    """
    from histoscribe.io.cohorts.new_cohort import write_cohort
    from histoscribe.io.cohorts.search.cohort_search import search_sections

    found = search_sections(folders)
    for source in found.sources:
        say(_described(source))
    for passed in found.passed:
        say(f"passed over: {passed.path}: {passed.reason}")
    manifest, settings = write_cohort(found.sources, out_folder)
    without = sum(not source.patient for source in found.sources)
    say(f"{len(found.sources)} sections in {manifest}; settings in {settings}")
    if without:
        say(
            f"fill in the column `patient` ({without} lines): two sections of one person must have "
            "the same name"
        )
    say(f"then: histoscribe check {settings}")


def _described(source: "Source") -> str:
    place = source.path or source.counts
    image = source.image.name if source.image else "no file found, the one in it is read"
    return f"{source.section}: {source.kind}, {place}, image: {image}"
