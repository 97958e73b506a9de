"""Grad-CAM of any network of pixels, at its last map with more than one cell."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.explain.grad_cam.gene_maps import class_activation
from histoscribe.explain.where.gradients import GenesOfPixels

_PIXELS = 3  # channels of a tile: such a map is the image itself


def last_map_layer(
    modules: Sequence[nn.Module], function: GenesOfPixels, tile: Float[Tensor, "1 3 P P"]
) -> nn.Module | None:
    """The module that gives the last map with more than one cell, in the order of the computation.

    None without any, and for a network that reads a tile several times, turned: then there are
    several last maps.
    """
    order: list[nn.Module] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        del inputs
        value = _value(output)
        if value is None or value.ndim != 4 or value.shape[1] <= _PIXELS:
            return
        if value.shape[2] * value.shape[3] > 1:
            order.append(module)

    parts = dict.fromkeys(part for module in modules for part in module.modules())
    hooks = [part.register_forward_hook(note) for part in parts]
    try:
        with torch.no_grad():
            function(tile)
    finally:
        for hook in hooks:
            hook.remove()
    return order[-1] if order and order.count(order[-1]) == 1 else None


def grad_cam(
    function: GenesOfPixels, tile: Float[Tensor, "1 3 P P"], layer: nn.Module, n_genes: int
) -> Float[Tensor, "1 K h w"]:
    """Grad-CAM of each gene at a layer, zero or above."""
    with torch.enable_grad(), _output_of(layer) as outputs:
        predicted = function(tile.clone().requires_grad_())
        (channels,) = outputs
        maps = [class_activation(channels, predicted[:, gene].sum()) for gene in range(n_genes)]
    return torch.stack(maps, dim=1).detach()


@contextmanager
def _output_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what a layer gives; later layers get a copy, for some of them overwrite it."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        del module, inputs
        value = _value(output)
        if value is None:
            return output
        kept.append(value)
        copy = value.clone()
        return dict.fromkeys(output, copy) if isinstance(output, Mapping) else copy

    hook = layer.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


def _value(output: Any) -> Tensor | None:
    """The tensor that a module gives; a traced encoder names it."""
    if isinstance(output, Mapping) and len(output) == 1:
        (output,) = output.values()
    return output if isinstance(output, Tensor) else None
