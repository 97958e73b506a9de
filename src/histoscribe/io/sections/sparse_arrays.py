"""Sparse matrices from files, proven sound before SciPy computes with them.

SciPy's routines in C trust the indices: one outside the matrix reads other memory, or ends the
process without a message.
"""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from histoscribe.errors import DataContractError, Problem

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Values, indices, and the start of each line, as files hold them."""
_COMPRESSED = ("csr", "csc", "bsr")
_NUMBERS = "biuf"


def sound_matrix(where: str | Path, stored: Any) -> sp.csr_matrix:
    """Matrix with spots in rows and each place once, from a SciPy sparse matrix or an array.

    A place that is stored several times holds the sum. A sound matrix is not copied.

    Raises
    ------
    DataContractError
        for indices outside the matrix, starts that fall, and values that are no numbers.
    """
    if sp.issparse(stored):
        check_sparse(where, stored)
    if stored.ndim != 2 or stored.dtype.kind not in _NUMBERS:
        raise _unsound(where, f"{stored.ndim} axes of {stored.dtype}")
    matrix = sp.csr_matrix(stored)
    if matrix.has_canonical_format:
        return matrix
    # the sum of two places may exceed the type of the file; it works in place, on a copy
    matrix = sp.csr_matrix(
        matrix.astype(np.float64 if matrix.dtype.kind == "f" else np.int64), copy=True
    )
    matrix.sum_duplicates()
    return matrix


def check_sparse(where: str | Path, matrix: Any) -> None:
    """Raise DataContractError for a SciPy sparse matrix whose parts contradict each other."""
    try:
        if matrix.format in _COMPRESSED:
            matrix.check_format(full_check=True)
        elif matrix.format == "coo":
            # its own check, of the places against the shape
            type(matrix)((matrix.data, matrix.coords), shape=matrix.shape)
    except (ValueError, TypeError, IndexError) as error:
        raise _unsound(where, str(error)) from error


def matrix_of_parts(
    where: str | Path, parts: Parts, shape: tuple[int, ...], *, rows: bool
) -> sp.csr_matrix | sp.csc_matrix:
    """Make a matrix from its parts; its lines are rows or columns.

    Raises
    ------
    DataContractError
        listing what contradicts: types, lengths, indices outside the shape, starts that fall.
    """
    data, indices, starts = parts
    if any(part.ndim != 1 for part in parts) or len(shape) != 2 or min(shape) < 0:
        raise _unsound(where, f"parts of {[part.shape for part in parts]} for shape {shape}")
    if indices.dtype.kind not in "iu" or starts.dtype.kind not in "iu":
        raise _unsound(where, f"indices of {indices.dtype} and starts of {starts.dtype}")
    n_lines, n_across = shape if rows else shape[::-1]
    if len(starts) != n_lines + 1 or len(data) != len(indices):
        counted = f"{len(starts)} starts, {len(indices)} indices and {len(data)} values"
        raise _unsound(where, f"{counted} for {n_lines} lines")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n_across:
        raise _unsound(where, f"indices outside 0..{n_across - 1}")
    ends = (int(starts[0]), int(starts[-1]))
    if ends != (0, len(data)) or (starts[1:] < starts[:-1]).any():
        raise _unsound(where, f"starts that do not rise from 0 to {len(data)}")
    return (sp.csr_matrix if rows else sp.csc_matrix)((data, indices, starts), shape=shape)


def _unsound(where: str | Path, found: str) -> DataContractError:
    return DataContractError(
        Problem(
            where=str(where),
            found=f"a damaged matrix: {found}",
            expected="numbers at indices inside the matrix",
            remedy="copy or export the file again",
        )
    )
