"""Count matrices of millions of bins, read a part at a time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp

from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.sections.gene_ids import are_counts
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.sparse_arrays import matrix_of_parts
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.tenx import features_of, read_matrix
from histoscribe.types import Counts

_CHUNK = 1 << 23
"""Stored counts of a chunk, about 130 MB while it is read."""
_HDF5 = ".h5"


@dataclass(frozen=True, eq=False)
class MatrixChunks:
    """A count matrix with bins in rows, of which a part at a time is in memory."""

    barcodes: np.ndarray
    """[N] names of the bins as bytes."""
    features: MatrixFeatures
    n_stored: int
    chunks: Iterable[sp.csr_matrix]
    """Consecutive rows, each chunk read as it is taken; they can be taken once."""
    notes: tuple[str, ...] = ()

    def whole(self) -> sp.csr_matrix:
        """All rows as one matrix of int32, with no second copy of it on the way."""
        data, indices = np.empty(self.n_stored, np.int32), np.empty(self.n_stored, np.int32)
        starts = np.zeros(len(self.barcodes) + 1, dtype=np.int64)
        row = at = 0
        for chunk in self.chunks:
            stop = at + chunk.nnz
            data[at:stop], indices[at:stop] = chunk.data, chunk.indices
            starts[row + 1 : row + 1 + chunk.shape[0]] = chunk.indptr[1:] + at
            row, at = row + chunk.shape[0], stop
        shape = (len(self.barcodes), len(self.features.ids))
        matrix = sp.csr_matrix(shape, dtype=np.int32)
        matrix.data, matrix.indices = data, indices
        matrix.indptr = starts if at > np.iinfo(np.int32).max else starts.astype(np.int32)
        return matrix


@contextmanager
def opened_matrix(path: Path, genome: str | None = None) -> Iterator[MatrixChunks]:
    """Open an `.h5` of Space Ranger for reading in parts; an mtx folder is read as a whole.

    Raises DataContractError as `read_matrix` does; the counts are checked as they are read.
    """
    if not path.name.endswith(_HDF5):
        counts, barcodes, notes = read_matrix(path, genome)
        yield chunks_of(counts, barcodes, notes)
        return
    streamed = ("/matrix/data", "/matrix/indices")
    with opened_hdf5(path, "a complete 10x .h5 file", streamed) as file:
        if "matrix" not in file:
            raise broken(path, f"groups {', '.join(file)}", "the group `matrix` of Space Ranger")
        group = file["matrix"]
        features, barcodes = features_of(group["features"]), group["barcodes"][()].astype(bytes)
        shape = tuple(int(side) for side in group["shape"][()])
        starts = group["indptr"][()].astype(np.int64)
        if shape != (len(features.ids), len(barcodes)) or len(starts) != len(barcodes) + 1:
            found = f"{shape[0]} x {shape[1]} counts of {len(features.ids)} features and "
            raise broken(path, f"{found}{len(barcodes)} barcodes", "features x barcodes")
        n_stored = len(group["data"])
        rises = starts[0] == 0 and starts[-1] == n_stored and (np.diff(starts) >= 0).all()
        if not rises or len(group["indices"]) != n_stored:
            raise broken(path, "starts that do not rise to the end of the counts", "a sound matrix")
        yield MatrixChunks(barcodes, features, n_stored, _chunks(path, group, starts))


def chunks_of(
    counts: Counts, barcodes: tuple[str, ...], notes: tuple[str, ...] = ()
) -> MatrixChunks:
    """Counts in memory as one chunk."""
    return MatrixChunks(
        barcodes=np.array([name.encode() for name in barcodes]),
        features=MatrixFeatures(ids=counts.gene_ids, names=counts.gene_names),
        n_stored=counts.matrix.nnz,
        chunks=[counts.matrix],
        notes=notes,
    )


def _chunks(path: Path, group: h5py.Group, starts: np.ndarray) -> Iterator[sp.csr_matrix]:
    """Consecutive bins whose stored counts are at most a chunk, or one bin with more."""
    n_features, n_bins = (int(side) for side in group["shape"][()])
    row = 0
    while row < n_bins:
        last = int(np.searchsorted(starts, starts[row] + _CHUNK, "right")) - 1
        stop = min(max(last, row + 1), n_bins)
        part = slice(int(starts[row]), int(starts[stop]))
        data = group["data"][part]
        if not are_counts(data):
            found = "fractions, negatives, NaN or values too large for a count"
            raise broken(path, found, "raw counts: whole numbers >= 0")
        parts = (data.astype(np.int32), group["indices"][part], starts[row : stop + 1] - part.start)
        shape = (stop - row, n_features)
        yield matrix_of_parts(f"{path}, {group.name}", parts, shape, rows=True)
        row = stop
