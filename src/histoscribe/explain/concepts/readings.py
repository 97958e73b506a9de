"""Features of tiles at layers of a predictor, with the slopes of genes, through taps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.concepts.depth import ReadLayer
from histoscribe.explain.taps import Activation, Taps, layer_names, tapped
from histoscribe.precision import whole_convolutions
from histoscribe.predictor.predictor import Predictor

MOST_LAYERS = 10
"""Layers that are read unless more are named."""
_FEWEST_BLOCKS = 4  # below, a net is looked at one level deeper
_AT_ONCE = 16


@final
@dataclass(frozen=True, eq=False)
class TileReading:
    """What a predictor made of some tiles."""

    predicted: Float[np.ndarray, "n K"]
    """Of the genes that slopes are taken of."""
    layers: tuple[ReadLayer, ...]


def read_layers(
    predictor: Predictor,
    image: UInt8[Tensor, "n 3 P P"],
    layers: Sequence[str],
    genes: Sequence[int],
) -> TileReading:
    """Read tiles and take the slope of each of these genes by every layer.

    A model of sections or bags gets every tile as an item of its own.

    Parameters
    ----------
    genes
        Places in the panel; none where slopes are not needed.
    """
    at_once = _AT_ONCE if predictor.fitted.item == "spot" else 1
    parts = [_read(predictor, part, layers, genes) for part in image.split(at_once)]
    joined = tuple(
        ReadLayer(
            name,
            np.concatenate([part.layers[at].pooled for part in parts]),
            np.concatenate([part.layers[at].slope for part in parts]),
        )
        for at, name in enumerate(layers)
    )
    return TileReading(np.concatenate([part.predicted for part in parts]), joined)


def main_layers(predictor: Predictor, image: UInt8[Tensor, "1 3 P P"]) -> tuple[str, ...]:
    """Blocks of encoder and network that a tile runs through, evenly thinned to `MOST_LAYERS`.

    Raises DataContractError where there is none between the pixels and the genes.
    """
    names = [name for name in _blocks(layer_names(predictor)) if _used(predictor, name)]
    between = _between(predictor, image, names)
    if not between:
        raise DataContractError(
            Problem(
                where=f"predictor {predictor.name}",
                found=f"no layer of {predictor.model.name} on {predictor.encoding.encoder} lies "
                "between the pixels and the genes",
                expected="a network with a hidden layer, or an encoder with layers",
                remedy="ask about mlp, or about a network on features of a trained encoder",
            )
        )
    steps = np.linspace(0, len(between) - 1, min(MOST_LAYERS, len(between)))
    return tuple(between[int(step)] for step in np.rint(steps))


def check_layers(
    predictor: Predictor, image: UInt8[Tensor, "1 3 P P"], names: Sequence[str]
) -> None:
    """Check that a tile runs through these layers.

    Raises DataContractError for unknown layers, with the near names, and for others that cannot
    be read.
    """
    between = _between(predictor, image, names)
    problems = [
        Problem(
            where=f"layer {name}",
            found="a tile does not run through it on its way to the genes, or it gives the genes",
            expected=f"a layer such as {', '.join(main_layers(predictor, image))}",
            remedy="name another layer",
        )
        for name in names
        if name not in between
    ]
    if problems:
        raise DataContractError(problems)


def _blocks(names: Sequence[str]) -> list[str]:
    """Of each root (`encoder`, `network`) the parts at one level: few but not too few."""
    kept = []
    for root in dict.fromkeys(name.split(".")[0] for name in names):
        of_root = [name for name in names if name.split(".")[0] == root]
        levels = sorted({name.count(".") for name in of_root})
        by_level = [[name for name in of_root if name.count(".") == level] for level in levels]
        many = [level for level in by_level if len(level) >= _FEWEST_BLOCKS]
        kept += many[0] if many and root == "encoder" else by_level[0]
    return kept


def _used(predictor: Predictor, name: str) -> bool:
    """Whether the network reads what the layer is of; of an ensemble, the first network."""
    root = name.split(".")[0]
    if root == "encoder":
        return any(read.endswith("feature") for read in predictor.inputs)
    return root == "network"


def _between(
    predictor: Predictor, image: UInt8[Tensor, "1 3 P P"], names: Sequence[str]
) -> list[str]:
    """Of these layers those that a tile runs through, without the one that gives the genes."""
    device = torch.device(choose_device(predictor.device))
    if predictor.fitted.item == "spot":  # twice, to tell the axis of tiles from others
        image = image.repeat(2, 1, 1, 1)
    with tapped(predictor, names) as taps, torch.no_grad(), whole_convolutions(device):
        output = _predicted(predictor, image.to(device))
        counts = predictor.fitted.counts is not None  # the last layer then gives no values
        return [name for name in names if _is_between(taps, name, output, counts=counts)]


def _is_between(taps: Taps, name: str, output: Float[Tensor, "n G"], *, counts: bool) -> bool:
    try:
        first = taps.activations(name)[0]
    except ValueError:  # the layer did not run
        return False
    if first.ndim not in (2, 3, 4) or len(first) != len(output):
        return False
    same_size = first.numel() == output.numel()
    return not same_size or not (counts or torch.equal(first.view_as(output), output))


def _read(
    predictor: Predictor,
    image: UInt8[Tensor, "n 3 P P"],
    layers: Sequence[str],
    genes: Sequence[int],
) -> TileReading:
    device = torch.device(choose_device(predictor.device))
    enabled = torch.set_grad_enabled(bool(genes))
    with enabled, tapped(predictor, layers) as taps, whole_convolutions(device):
        output = _predicted(predictor, image.to(device))
        # one pass back for each gene gives the slopes at every layer
        back = [taps.gradients_at(layers, output[:, gene].sum()) for gene in genes]
        read = tuple(
            _layer(predictor, name, taps.activations(name), [slopes[at] for slopes in back])
            for at, name in enumerate(layers)
        )
    predicted = output.detach()[:, list(genes)]
    return TileReading(_array(predicted), read)


def _layer(
    predictor: Predictor,
    name: str,
    runs: Sequence[Activation],
    slopes: Sequence[Sequence[Activation]],
) -> ReadLayer:
    """Mean over places and runs of a layer; slopes of each gene, added up.

    All places of a map move together along a vector, so their slopes add up.
    """
    pooled = torch.stack([_pooled(predictor, name, run).mean(dim=1) for run in runs]).mean(dim=0)
    slope = pooled.new_zeros((len(pooled), len(slopes), pooled.shape[1]))
    for gene, of_runs in enumerate(slopes):
        for run in of_runs:
            slope[:, gene] += _pooled(predictor, name, run).sum(dim=1)
    return ReadLayer(name, _array(pooled), _array(slope))


def _pooled(predictor: Predictor, name: str, value: Activation) -> Float[Tensor, "n places C"]:
    """Places of a layer, each with its channels; of a class token that one only."""
    net = predictor.encoder.net if name.startswith("encoder.") else None
    if value.ndim == 4:
        last = getattr(net, "channels_last", False)
        return value.flatten(1, 2) if last else value.flatten(2).transpose(1, 2)
    if value.ndim == 2:
        return value[:, None]
    return value[:, :1] if getattr(net, "n_tokens", 0) else value


def _predicted(predictor: Predictor, image: UInt8[Tensor, "n 3 P P"]) -> Float[Tensor, "n G"]:
    centre = torch.zeros((len(image), 2), device=image.device)
    return predictor.from_pixels(image.float(), centre).expression


def _array(values: Float[Tensor, "..."]) -> Float[np.ndarray, "..."]:
    return values.detach().cpu().numpy().astype(np.float64)
