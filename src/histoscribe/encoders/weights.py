"""Exact loading of weights: all tensors fit, or none are loaded."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from histoscribe.encoders.checkpoint import PICKLED, read_checkpoint, some_names
from histoscribe.errors import DataContractError, Problem


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file, and its checksum as `sha256:<hex>`.

    A file that ends in .bin, .pth or .pt is unpickled by torch's restricted reader, which builds
    tensors and plain containers and executes no code; anything else must be safetensors.

    Raises
    ------
    DataContractError
        if the file is missing, truncated, of neither kind, or holds more than a table of tensors.
    """
    checkpoint = read_checkpoint(path, pickled=path.suffix in PICKLED)
    return dict(checkpoint.tensors), checkpoint.source


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
            found=f"{len(names)} {kind}: {some_names(names)}",
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
