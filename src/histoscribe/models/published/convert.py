"""Conversion of published weights to a safetensors file with our names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from histoscribe.encoders.checkpoint import Checkpoint, read_checkpoint
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.models.published.fit import Fit
from histoscribe.models.published.names import NameTable, TensorPlace, published_names, read_names
from histoscribe.models.published.networks import (
    COUNTER,
    PUBLISHED,
    PublishedNetwork,
    colour_constants,
)

PUBLISHED_GENES = 785
"""Genes of the authors' model of breast cancer sections."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """What became of the tensors of a published file."""

    network: PublishedNetwork
    checkpoint: Checkpoint
    places: tuple[TensorPlace, ...]
    """TensorPlace of each tensor of the file."""
    tensors: Mapping[str, Tensor]
    """Tensors as written, by our names."""
    filled: tuple[str, ...]
    """Counters of batches that old files lack, which are never read and become zero."""
    constants: tuple[str, ...]
    """Tensors of our network that are constants: mean and deviation of the colours."""
    side_px: int
    """Side of the tiles for which the file was trained."""


def convert_weights(
    network: str,
    file: Path,
    out: Path,
    *,
    names: Path | None = None,
    n_genes: int = PUBLISHED_GENES,
) -> Conversion:
    """Convert published weights to a safetensors file that our network loads.

    Parameters
    ----------
    network
        `cmt:ti` or `cmt:xs`, the backbone as trained on ImageNet, or `tcgn` or `tcgn-xs`, the whole
        network.
    file
        A pickle, which torch's restricted reader opens: it builds tensors and executes no code. A
        file that ends in .safetensors is read as such.
    out
        File to write, ending in .safetensors.
    names
        Another table of names; its form is that of `tcgn.toml` in this folder.
    n_genes
        Number of genes that the file's network predicts; not used for a backbone.

    Raises
    ------
    DataContractError
        for an unknown network, a file that cannot be read or holds more than tensors, and with all
        tensors that have no place, places that have no tensor, and tensors of another shape.
        Nothing is written then.
    """
    published = _network(network)
    if out.suffix != ".safetensors":
        raise DataContractError(
            Problem(f"--out {out}", "another ending", "a file ending in .safetensors", "rename it")
        )
    table = published_names() if names is None else read_names(names)
    pickled = file.suffix != ".safetensors"
    checkpoint = read_checkpoint(file, pickled=pickled, containers=table.containers)
    conversion = _converted(published, checkpoint, table, n_genes, str(file))
    with replacing(out) as temporary:
        about = {"network": network, "source": checkpoint.source}
        save_file(dict(conversion.tensors), temporary, metadata=about)
    return conversion


def _network(name: str) -> PublishedNetwork:
    known = {network.name: network for network in PUBLISHED}
    if name not in known:
        raise DataContractError(
            Problem(
                where=f"network {name!r}",
                found="no published network of this name",
                expected=f"one of {', '.join(known)}",
                remedy="choose one of these",
            )
        )
    return known[name]


def _converted(
    network: PublishedNetwork, checkpoint: Checkpoint, table: NameTable, n_genes: int, where: str
) -> Conversion:
    """Put every tensor in its place; raises DataContractError unless all fit."""
    places = tuple(table.place(name) for name in checkpoint.tensors)
    tensors = {
        place.ours: _whole(checkpoint.tensors[place.published])
        for place in places
        if place.ours is not None
    }
    side_px = network.made_for(tensors)
    expected = network.expected(n_genes, side_px)
    counters = [name for name in expected if name.endswith(COUNTER) and name not in tensors]
    constants = colour_constants() if network.whole else {}
    tensors |= {name: torch.zeros((), dtype=torch.int64) for name in counters}
    tensors |= constants
    problems = Fit(
        network=network, where=where, places=places, tensors=tensors, expected=expected
    ).problems()
    if problems:
        raise DataContractError(problems)
    return Conversion(
        network=network,
        checkpoint=checkpoint,
        places=places,
        tensors={name: tensors[name] for name in expected},
        filled=tuple(counters),
        constants=tuple(constants),
        side_px=side_px,
    )


def _whole(tensor: Tensor) -> Tensor:
    """The tensor in memory of its own, numbers as float32: files may share and halve."""
    return (tensor.float() if tensor.is_floating_point() else tensor).clone().contiguous()
