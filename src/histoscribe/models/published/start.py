"""Start of a network from a converted backbone."""

from pathlib import Path

from torch import nn

from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.layers.position_bias import with_biases_of


def start_backbone(backbone: nn.Module, weights: Path, name: str) -> None:
    """Load every tensor of the backbone `name`; position biases are resized to its tiles.

    Raises
    ------
    DataContractError
        if the file cannot be read, still has the names of its authors, or does not fit exactly.
    """
    tensors, _ = read_weights(weights)
    expected = backbone.state_dict()
    if not tensors.keys() & expected.keys():
        raise DataContractError(
            Problem(
                where=str(weights),
                found=f"other names than ours, e.g. {next(iter(tensors), 'none')}",
                expected=f"the {len(expected)} tensors of {name}, e.g. {next(iter(expected))}",
                remedy="translate the authors' file: "
                f"histoscribe convert {name} {weights} --out FILE.safetensors",
            )
        )
    load_exactly(backbone, with_biases_of(tensors, expected), net_name=name, where=str(weights))
