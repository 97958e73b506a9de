"""A cohort from AnnData sections in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.h5ad import reading_of
from histoscribe.io.sections.qc import Filters, section_of
from histoscribe.io.sections.section_image import SectionImage, image_file
from histoscribe.io.sections.source import Reading, Source, is_file_name
from histoscribe.io.slides.array import ArraySlide
from histoscribe.near_names import did_you_mean
from histoscribe.types import Cohort, CohortEntry, Section, Slide

Image = Slide | str | Path | np.ndarray
"""An opened slide, an image file, or RGB pixels: uint8 [height, width, 3]."""
_KIND = "memory"


def cohort_of(
    adata_by_section: Mapping[str, ad.AnnData],
    images: Mapping[str, Image],
    patients: Mapping[str, str],
    *,
    mpp: float | int | Mapping[str, float | int] | None = None,
    facts: Mapping[str, Mapping[str, str]] | None = None,
) -> Cohort:
    """Make a cohort of sections that are in memory as AnnData.

    Each AnnData holds raw counts in `layers["counts"]`, else in `X`, and the centres of its spots
    in `obsm["spatial"]`, in px of the image, x before y. Spots that are not in tissue (`obs` column
    `in_tissue`) or have no counts are left out. The data are read now: what is changed later in an
    AnnData does not change the cohort.

    Parameters
    ----------
    adata_by_section
        The AnnData of each section, by the name of the section.
    images
        The full-resolution H&E image of each section: a file, RGB pixels (uint8), or a slide.
    patients
        The patient of each section. Sections of one person must share a name: folds are made of
        patients.
    mpp
        um per px of the images, or of each image. It may be left out where the file or slide
        states it, or where array rows and columns prove Visium: then the distance of its spots
        (100 um) gives it. Where several state it, they must agree.
    facts
        Further facts of each section, e.g. its site or subtype.

    Raises
    ------
    DataContractError
        listing every problem of every section.

    Examples
    --------
    >>> import histoscribe as hs
    >>> cohort = hs.cohort_of(
    ...     {"S1": adata1, "S2": adata2},
    ...     images={"S1": "S1.tif", "S2": "S2.tif"},
    ...     patients={"S1": "P01", "S2": "P02"},
    ...     mpp=0.5,
    ... )  # doctest: +SKIP
    """
    given = mpp if isinstance(mpp, Mapping) else dict.fromkeys(adata_by_section, mpp)
    by_section = {name: float(value) for name, value in given.items() if value is not None}
    names = tuple(adata_by_section)
    tables = {"images": images, "patients": patients, "mpp": by_section, "facts": facts or {}}
    problems = [*_wrong_names(names, patients), *_not_of_the_cohort(names, tables)]
    sections: list[Section] = []
    for name, data in adata_by_section.items():
        if name in images and patients.get(name):
            source = Source(
                section=name,
                patient=patients[name],
                kind=_KIND,
                mpp=by_section.get(name),
                facts=dict((facts or {}).get(name, {})),
            )
            try:
                sections.append(_section(source, data, images[name]))
            except DataContractError as error:
                problems += [_in_python(problem) for problem in error.problems]
    if problems:
        raise DataContractError(problems)
    return Cohort([_entry(section) for section in sections])


def _entry(section: Section) -> CohortEntry:
    return CohortEntry(section.id, section.patient, lambda: section, section.facts)


def _section(source: Source, data: ad.AnnData, image: Image) -> Section:
    return section_of(_reading(source, data, image), source, Filters())


def _reading(source: Source, data: ad.AnnData, image: Image) -> Reading:
    if isinstance(image, Slide):
        slide = image
        return reading_of(source, data, SectionImage(slide.mpp, 1.0, lambda _: slide))
    if isinstance(image, str | Path):
        return reading_of(source, data, image_file(Path(image)))
    pixels = np.array(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataContractError(
            Problem(
                where=f"{source.where}, image",
                found=f"an array of shape {pixels.shape} and type {pixels.dtype}",
                expected="RGB pixels: uint8 of shape [height, width, 3]",
                remedy="convert it, or give the image file",
            )
        )
    opened = SectionImage(None, 1.0, lambda at: ArraySlide(source.section, pixels, at))
    return reading_of(source, data, opened)


def _not_of_the_cohort(
    sections: tuple[str, ...], tables: Mapping[str, Mapping[str, Any]]
) -> Iterator[Problem]:
    """Problems of sections without image or patient, and of names without a section."""
    for name in sections:
        for table in ("images", "patients"):
            given = tables[table].get(name)
            if given is None or (isinstance(given, str) and not given):
                yield Problem(f"section {name}", f"not in `{table}`", "every section", "add it")
    for table, by_name in tables.items():
        for name in sorted(set(by_name) - set(sections)):
            expected = f"one of {', '.join(sections)}"
            remedy = did_you_mean(name, sections, "correct the name")
            yield Problem(f"`{table}`", f"no section {name!r}", expected, remedy)


def _wrong_names(sections: tuple[str, ...], patients: Mapping[str, str]) -> Iterator[Problem]:
    if not sections:
        yield Problem("adata_by_section", "no section", "at least one", "give the sections")
    for name in dict.fromkeys((*sections, *patients.values())):
        if not is_file_name(name):
            expected = "a name that can be a folder: results are written to it"
            remedy = "write it without slashes, control characters or a leading dot"
            yield Problem(f"section or patient {name!r}", "not a name of a file", expected, remedy)


def _in_python(problem: Problem) -> Problem:
    """Replace the remedy for um/px, which refers to a manifest, by the one for Python."""
    if "um/px" not in problem.found:
        return problem
    return replace(
        problem,
        remedy="give the um per px of the image: hs.cohort_of(..., mpp=0.5), or one value per "
        "section",
    )
