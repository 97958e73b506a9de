"""Exact loading of weights: all tensors fit, or none are loaded."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch._weights_only_unpickler import UnpicklingError

from histoscribe.errors import DataContractError, Problem

_SHOWN = 8  # names of one kind in a message; a wrong file has hundreds
_PICKLED = (".bin", ".pth", ".pt")  # the format in which older models were published
_WRAPPERS = ("model", "state_dict")  # keys under which published checkpoints keep their tensors


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file, and its checksum as `sha256:<hex>`.

    A file that ends in .bin, .pth or .pt is unpickled by torch's restricted reader, which builds
    tensors and plain containers and executes no code; anything else must be safetensors.

    Raises
    ------
    DataContractError
        if the file is missing, truncated, of neither kind, or holds more than a table of tensors.
    """
    try:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        tensors = _unpickled(path) if path.suffix in _PICKLED else load_file(path)
    except (OSError, EOFError, RuntimeError, SafetensorError, UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"weights that cannot be read ({reason})",
                expected="a whole safetensors file, or a checkpoint of torch with tensors only",
                remedy="give the path of the file, or download it again",
            )
        ) from error
    return tensors, f"sha256:{checksum}"


def _unpickled(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint, by name; one wrapper such as `model` is removed."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not found:
        raise RuntimeError("no table of tensors")
    others = [str(name) for name, value in found.items() if not isinstance(value, Tensor)]
    if others:
        raise RuntimeError(f"not only tensors: {_some(others)}")
    return {str(name): tensor for name, tensor in found.items()}


def load_exactly(
    net: nn.Module, weights: Mapping[str, Tensor], *, net_name: str, where: str
) -> None:
    """Load every tensor of a file into the net.

    A net on the meta device takes the tensors themselves, as float32.

    Raises
    ------
    DataContractError
        listing every tensor that is missing, additional or of another shape.
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
            remedy=f"give the weights of {net_name}, or name the net of these weights",
        )
        for kind, names in faults.items()
        if names
    ]
    if problems:
        raise DataContractError(problems)
    empty = any(parameter.is_meta for parameter in net.parameters())
    whole = {name: t.float() if t.is_floating_point() else t for name, t in weights.items()}
    net.load_state_dict(whole, assign=empty)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
