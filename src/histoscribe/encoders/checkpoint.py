"""Tensors of a weights file; nothing in the file is executed."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch._weights_only_unpickler import UnpicklingError

from histoscribe.errors import DataContractError, Problem

CONTAINERS = ("model", "state_dict")
"""Keys under which published checkpoints keep their tensors, in the order of their use."""
PICKLED = (".bin", ".pth", ".pt")
"""Ends of file names of pickles, the format in which older networks were published."""
_N_NAMES = 8  # of one kind in a message; a wrong file has hundreds
_CODE = re.compile(r"GLOBAL (\S+)")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors of a weights file, with its checksum and the keys that led to them."""

    tensors: Mapping[str, Tensor]
    source: str
    """Checksum of the file, as `sha256:<hex>`."""
    container: tuple[str, ...] = ()
    """Keys under which the tensors were; empty for tensors at the top."""
    unread: tuple[str, ...] = ()
    """Other keys beside these, which were not read."""


def read_checkpoint(
    path: Path, *, pickled: bool, containers: Sequence[str] = CONTAINERS
) -> Checkpoint:
    """Read the tensors of a file.

    A pickle goes through torch's restricted reader, which builds tensors and plain containers and
    executes no code; another file must be safetensors. Where a pickle has several of `containers`,
    the first that it has is read.

    Raises
    ------
    DataContractError
        if the file is missing, truncated, of another kind, or holds more than a table of tensors.
    """
    try:
        with path.open("rb") as file:
            source = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if not pickled:
            return Checkpoint(load_file(path), source)
        whole = torch.load(path, map_location="cpu", weights_only=True)
        return _opened(whole, source, containers)
    except UnpicklingError as error:
        raise DataContractError(_refused(path, str(error))) from None
    except (OSError, EOFError, RuntimeError, SafetensorError) as error:
        raise DataContractError(_unreadable(path, _first_line(error))) from error


def some_names(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = f" and {len(names) - _N_NAMES} more" if len(names) > _N_NAMES else ""
    return ", ".join(names[:_N_NAMES]) + more


def _opened(whole: Any, source: str, containers: Sequence[str]) -> Checkpoint:
    """Tensors by name, out of their containers. Raises RuntimeError if there is anything else."""
    keys: list[str] = []
    unread: list[str] = []
    table = whole
    for key in containers:
        if isinstance(table, dict) and isinstance(table.get(key), dict):
            unread += [".".join([*keys, str(other)]) for other in table if other != key]
            keys.append(key)
            table = table[key]
    if not isinstance(table, dict) or not table:
        raise RuntimeError("no table of tensors")
    others = [str(name) for name, value in table.items() if not isinstance(value, Tensor)]
    if others:
        raise RuntimeError(f"not only tensors: {some_names(others)}")
    tensors = {str(name): tensor for name, tensor in table.items()}
    return Checkpoint(tensors, source, tuple(keys), tuple(unread))


def _refused(path: Path, message: str) -> Problem:
    """Problem of a pickle that would need more than tensors and plain containers."""
    code = _CODE.search(message)
    more = f"it holds `{code[1]}`" if code else message.strip().splitlines()[-1]
    return Problem(
        where=str(path),
        found=f"weights that cannot be read ({more}; nothing of it was executed)",
        expected="a checkpoint of torch with tensors only",
        remedy="ask its authors for the tensors alone (torch.save of the state dict, or "
        "safetensors); a pickle with more can run any program when it is opened",
    )


def _unreadable(path: Path, reason: str) -> Problem:
    return Problem(
        where=str(path),
        found=f"weights that cannot be read ({reason})",
        expected="a whole safetensors file, or a checkpoint of torch with tensors only",
        remedy="give the path of the file, or download it again",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
