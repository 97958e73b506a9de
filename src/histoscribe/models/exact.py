"""Weights load exactly or not at all."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from histoscribe.errors import DataContractError, Problem

_SHOWN = 8  # names of one kind in a message; a wrong file has hundreds


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a safetensors file and its checksum as `sha256:<hex>`.

    Raises
    ------
    DataContractError
        The file is missing, truncated or no safetensors file.
    """
    try:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return load_file(path), f"sha256:{checksum}"
    except (OSError, SafetensorError) as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"weights that cannot be read ({error})",
                expected="a whole safetensors file",
                remedy="give the path of the file, or fetch it again",
            )
        ) from error


def load_exactly(
    net: nn.Module, weights: Mapping[str, Tensor], *, net_name: str, where: str
) -> None:
    """Put every tensor of a file in its place.

    Raises
    ------
    DataContractError
        Listing every tensor that is missing, extra or of another shape.
    """
    wanted = net.state_dict()
    misshapen = [
        f"{name} {tuple(weights[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted
        if name in weights and weights[name].shape != wanted[name].shape
    ]
    faults = {
        "missing": [name for name in wanted if name not in weights],
        "extra": [name for name in weights if name not in wanted],
        "of another shape": misshapen,
    }
    problems = [
        Problem(
            where=where,
            found=f"{len(names)} {kind}: {_some(names)}",
            expected=f"the {len(wanted)} tensors of {net_name}, and no others",
            remedy=f"give the weights of {net_name}, or name the net these weights are of",
        )
        for kind, names in faults.items()
        if names
    ]
    if problems:
        raise DataContractError(problems)
    net.load_state_dict(dict(weights))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
