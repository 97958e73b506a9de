"""Slides of patients as a cohort: sections with a grid of tiles over their tissue, no counts."""

from collections.abc import Sequence
from functools import partial

from histoscribe.data.grid import lay_grid
from histoscribe.data.tissue import tissue_mask
from histoscribe.io.cohorts.bulk_slides import SlideSource
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.types import Cohort, CohortEntry, Section


def slide_cohort(sources: Sequence[SlideSource], spacing_um: float) -> Cohort:
    """A cohort of these slides, opened on first use; tiles are `spacing_um` apart."""
    return Cohort(
        [
            CohortEntry(of.section, of.patient, partial(_open, of, spacing_um), of.facts)
            for of in sources
        ]
    )


def _open(source: SlideSource, spacing_um: float) -> Section:
    slide = open_whole_slide(
        source.path, source.mpp, mpp_from=source.mpp_from, image_number=source.image_number
    )
    grid = lay_grid(slide, tissue_mask(slide), spacing_um)
    return Section(
        id=source.section,
        patient=source.patient,
        slide=slide,
        spots=grid.spots,
        counts=None,
        notes=(*slide.notes, *slide.warnings),
        facts=source.facts,
    )
