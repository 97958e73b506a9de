"""Readers by kind; all of them give a `Section`."""

from histoscribe.errors import DataContractError
from histoscribe.io.sections.h5ad import H5AD
from histoscribe.io.sections.hest import HEST
from histoscribe.io.sections.qc import Filters, section_of
from histoscribe.io.sections.source import Reader, Source, missing_files
from histoscribe.io.sections.spaceranger import SPACERANGER
from histoscribe.io.sections.sparse import SPARSE
from histoscribe.io.sections.spatialdata_reader import SPATIALDATA
from histoscribe.io.sections.st import ST, ST2K
from histoscribe.io.sections.stnet import STNET
from histoscribe.types import Section

READERS: dict[str, Reader] = {
    reader.kind: reader
    for reader in (SPACERANGER, ST, ST2K, STNET, H5AD, HEST, SPARSE, SPATIALDATA)
}
"""Allowed values of the column `kind` of a manifest."""


def read_section(source: Source, filters: Filters) -> Section:
    """Open one section: files, um/px, counts matched to spots, filters."""
    if missing := missing_files(source, source.where):
        raise DataContractError(missing)
    return section_of(READERS[source.kind].read(source), source, filters)
