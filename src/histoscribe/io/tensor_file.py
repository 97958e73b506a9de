"""Files of tensors (safetensors): names, types and shapes are checked before numbers take memory.

A file may be whole and still be the wrong one: of another model, cut, or with numbers that are
none. A header states sizes, so it is held against what is expected before anything is read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from histoscribe.errors import DataContractError, Problem

MOST_HEADER_BYTES = 10_000_000
"""Largest header: about 100,000 tensors."""
FLOATS = ("float32", "float64")
_NAMES = {
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "U8": "uint8",
    "I8": "int8",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}
_MOST_NAMED = 8  # tensors, in a message
_REMEDY = "the folder was changed or copied in part: copy or train it again"


@dataclass(frozen=True)
class TensorFact:
    """Type and shape of a tensor, as its file states them."""

    dtype: str
    """As NumPy calls it, e.g. `float32`."""
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """E.g. `float32 [3, 4]`."""
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class TensorLayout:
    """Expected type and shape of a tensor."""

    axes: tuple[int | str, ...]
    """Length of each axis; a letter stands for one length in the whole file."""
    dtypes: tuple[str, ...] = FLOATS

    def __str__(self) -> str:
        """E.g. `float32 or float64 [M, 3]`."""
        return f"{' or '.join(self.dtypes)} [{', '.join(map(str, self.axes))}]"


def layouts(axes: Mapping[str, str], dtypes: Sequence[str] = FLOATS) -> dict[str, TensorLayout]:
    """Layouts from the letters (or lengths) of axes, e.g. `{"weights": "D G", "bias": "1"}`."""
    return {
        name: TensorLayout(tuple(int(a) if a.isdigit() else a for a in of.split()), tuple(dtypes))
        for name, of in axes.items()
    }


def tensor_facts(path: Path, remedy: str = _REMEDY) -> dict[str, TensorFact]:
    """Type and shape of every tensor of a file; no numbers are read.

    `remedy` is for the message of a damaged file.

    Raises
    ------
    DataContractError
        for a file that is missing, cut, of another kind, or with an oversized header.
    """
    try:
        with path.open("rb") as file:
            n_bytes = int.from_bytes(file.read(8), "little")
        if n_bytes > min(MOST_HEADER_BYTES, path.stat().st_size):
            raise DataContractError(_unreadable(path, f"a header of {n_bytes:,} bytes", remedy))
        with safe_open(path, framework="np") as opened:
            parts = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            return {
                name: TensorFact(_NAMES.get(of.get_dtype(), of.get_dtype()), tuple(of.get_shape()))
                for name, of in parts.items()
            }
    except (SafetensorError, FileNotFoundError, IsADirectoryError) as error:
        raise DataContractError(_unreadable(path, str(error), remedy)) from None


def read_arrays(
    path: Path, expected: Mapping[str, TensorLayout], **lengths: int
) -> dict[str, np.ndarray]:
    """Read a file with exactly these tensors; `lengths` are those of known letters.

    Raises
    ------
    DataContractError
        naming tensors that are missing or unknown, or listing each of another type or shape, or
        with numbers that are not finite.
    """
    check_layout(path, expected, remedy=_REMEDY, **lengths)
    with safe_open(path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in expected}
    check_values(path, arrays)
    return arrays


def check_layout(
    path: Path, expected: Mapping[str, TensorLayout], *, remedy: str = _REMEDY, **lengths: int
) -> None:
    """Raise a DataContractError unless the file holds exactly these tensors.

    `remedy` is for the message of other tensors; other names are one problem.
    """
    problems = [*_layout_problems(path, tensor_facts(path), expected, dict(lengths), remedy)]
    if problems:
        raise DataContractError(problems)


def check_values(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise a DataContractError that lists every array with numbers that are not finite.

    A scale (a name that ends in `scale`) may be infinite: its feature is constant, and divided
    away. An array called `target` may have NaN, for genes that a section does not measure.
    """
    problems = []
    for name, values in arrays.items():
        if values.dtype.kind != "f":
            continue
        bad = ~np.isfinite(values)
        if name.endswith("scale"):
            bad &= values != np.inf
            bad |= values == 0
        elif name == "target":
            bad &= ~np.isnan(values)
        if n_bad := int(bad.sum()):
            found = f"{n_bad} of {values.size} numbers in {name} that are not finite"
            problems.append(Problem(str(path), found, "finite numbers", _REMEDY))
    if problems:
        raise DataContractError(problems)


def _layout_problems(
    path: Path,
    found: Mapping[str, TensorFact],
    expected: Mapping[str, TensorLayout],
    lengths: dict[str, int],
    remedy: str,
) -> Iterator[Problem]:
    if found.keys() != expected.keys():
        names = f"{len(expected)} tensors: {_some(expected)}"
        yield Problem(str(path), _other_names(found, expected), names, remedy)
        return
    for name in sorted(expected):
        if not _fits(found[name], expected[name], lengths):
            known = ", ".join(f"{letter} = {length}" for letter, length in lengths.items())
            as_expected = f"{expected[name]}" + (f" with {known}" if known else "")
            yield Problem(str(path), f"{name} {found[name]}", as_expected, remedy)


def _other_names(found: Iterable[str], expected: Iterable[str]) -> str:
    """What is missing, and what nobody reads, in one line however many tensors they are."""
    missing, unread = {*expected} - {*found}, {*found} - {*expected}
    parts = [f"no tensor {_some(missing)}"] if missing else []
    parts += [f"a tensor {_some(unread)} that nobody reads"] if unread else []
    return "; ".join(parts)


def _some(names: Collection[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(sorted(names)[:_MOST_NAMED]) + (f" and {more} others" if more > 0 else "")


def _fits(found: TensorFact, expected: TensorLayout, lengths: dict[str, int]) -> bool:
    """Whether type and shape fit; a new letter takes its length from here."""
    if found.dtype not in expected.dtypes or len(found.shape) != len(expected.axes):
        return False
    return all(
        length == (axis if isinstance(axis, int) else lengths.setdefault(axis, length))
        for length, axis in zip(found.shape, expected.axes, strict=True)
    )


def _unreadable(path: Path, found: str, remedy: str) -> Problem:
    return Problem(str(path), f"not readable: {found}", "a file of tensors (safetensors)", remedy)
