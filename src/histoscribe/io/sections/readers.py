"""Readers by kind; all of them give a `Section`."""

from dataclasses import replace

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io.sections.h5ad import H5AD
from histoscribe.io.sections.hest import HEST
from histoscribe.io.sections.qc import Filters, section_of
from histoscribe.io.sections.source import PATHS, Reader, Source, missing_files
from histoscribe.io.sections.spaceranger import SPACERANGER
from histoscribe.io.sections.sparse import SPARSE
from histoscribe.io.sections.spatialdata_reader import SPATIALDATA
from histoscribe.io.sections.st import ST, ST2K
from histoscribe.io.sections.stnet import STNET
from histoscribe.io.sections.visium_hd import VISIUM_HD
from histoscribe.io.sections.xenium import XENIUM
from histoscribe.types import Section

READERS: dict[str, Reader] = {
    reader.kind: reader
    for reader in (
        *(SPACERANGER, VISIUM_HD, XENIUM, ST, ST2K, STNET),
        *(H5AD, HEST, SPARSE, SPATIALDATA),
    )
}
"""Allowed values of the column `kind` of a manifest."""


def read_section(source: Source, filters: Filters) -> Section:
    """Open one section: files, um/px, counts matched to spots, filters.

    Raises
    ------
    DataContractError
        for anything that is wrong with its files, foreseen or not.
    """
    if missing := missing_files(source, source.where):
        raise DataContractError(missing)
    if source.facts.get("pool_um") and not READERS[source.kind].pools:
        raise DataContractError(_not_pooled(source))
    try:
        with errors_told(f"{source.where} ({_files_of(source)})"):
            return section_of(READERS[source.kind].read(source), source, filters)
    except DataContractError as error:
        raise DataContractError(_named(problem, source) for problem in error.problems) from error


def _not_pooled(source: Source) -> Problem:
    return Problem(
        where=source.where,
        found=f"pool_um {source.facts['pool_um']!r} for kind {source.kind}, whose spots stay as "
        "they are",
        expected=f"one of {', '.join(kind for kind, of in READERS.items() if of.pools)}",
        remedy="empty the column `pool_um`",
    )


def _named(problem: Problem, source: Source) -> Problem:
    """Problem that names its section: one file may serve several."""
    if source.section in str(problem):
        return problem
    return replace(problem, where=f"{source.where}, {problem.where}")


def _files_of(source: Source) -> str:
    """Paths of a section, for errors that name no file."""
    return ", ".join(str(path) for name in PATHS if (path := getattr(source, name)) is not None)
