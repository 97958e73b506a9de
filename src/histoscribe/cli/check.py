"""`histoscribe check COHORT`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import Plugins, load_plugins, say, show_problems

if TYPE_CHECKING:
    from histoscribe.io.cohorts.cohort import Checked
    from histoscribe.types import Section

Overlays = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write an overlay of spots on tissue per section."),
]


def run(
    cohort: Annotated[
        str,
        typer.Argument(
            help="Manifest, catalog:NAME, hest:FOLDER, stnet:FOLDER, or settings (.toml)."
        ),
    ],
    out_folder: Overlays = None,
    plugin: Plugins = None,
) -> None:
    """List every problem of a cohort with its remedy; exit code 2 if there is one."""
    load_plugins(plugin)  # a settings file may name their models
    checked = _checked(cohort)
    if checked.sections and out_folder is not None:
        _write_overlays(checked.sections, out_folder)
    if checked.problems:
        show_problems(checked.problems)
        sys.exit(2)
    from histoscribe.io.cohorts.gene_overlap import gene_gaps
    from histoscribe.io.cohorts.resolutions import resolution_doubts
    from histoscribe.progress import track

    for section in track(checked.sections, "tissue under the spots"):
        _describe(section)
    for gap in gene_gaps(checked.sections):
        say(f"{gap.where} share few genes: {gap.summary}")
    for doubt in resolution_doubts({section.id: section.slide.mpp for section in checked.sections}):
        say(f"warning: {doubt}")
    for twins in checked.twins:
        say(f"one image serves sections {' and '.join(twin.id for twin in twins)}")
    say("no problems")


def _checked(cohort: str) -> "Checked":
    """Check the sections that a settings file selects, or a whole cohort."""
    from histoscribe.io.cohorts.cohort import checked_cohort

    if not cohort.endswith(".toml"):
        return checked_cohort(cohort)
    from histoscribe.train.settings import read_settings

    settings = read_settings(Path(cohort))
    return checked_cohort(settings.cohort, settings.sections, settings.filters, settings.where)


def _write_overlays(sections: "Sequence[Section]", folder: Path) -> None:
    from histoscribe.io.run_folder import refuse_other_files
    from histoscribe.plot.overlay import spot_overlay
    from histoscribe.progress import track

    refuse_other_files(folder, {f"{section.id}.png" for section in sections})
    for section in track(sections, "overlays"):
        path = folder / f"{section.id}.png"
        spot_overlay(section, path)
        say(f"overlay: {path}")


def _describe(section: "Section") -> None:
    """Describe a section: spots, genes, depth, and where its spots lie."""
    import numpy as np

    from histoscribe.benchmark.checks_of_data import ON_TISSUE
    from histoscribe.data.tissue import tissue_mask
    from histoscribe.data.tissue_fit import tissue_fit
    from histoscribe.io.sections.places import said_spans

    dropped = ", ".join(f"{name} {n}" for name, n in section.dropped.items() if n)
    fit = tissue_fit(section.spots.xy, section.slide, tissue_mask(section.slide))
    say(
        f"{section.id}: patient {section.patient}, {len(section.spots)} spots, "
        f"{section.slide.mpp:.3g} um/px, {100 * fit.share:.0f} % on tissue"
        + (f", left out: {dropped}" if dropped else "")
    )
    say(
        f"  {len(section.measured.gene_ids):,} genes, median total "
        f"{np.median(section.measured.total):,.0f}; spots span "
        f"{said_spans(section.spots.xy, section.slide)} of the image"
    )
    if fit.share < ON_TISSUE:
        say("  few spots lie on tissue: check the overlay (--out DIR)")
    if fit.is_doubtful:
        say(f"  {fit.words}: is an axis exchanged or mirrored? Check the overlay (--out DIR)")
    for note in section.notes:
        say(f"  {note}")
