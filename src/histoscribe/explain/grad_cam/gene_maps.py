"""Grad-CAM: how strongly each cell of the last map of a network raises a gene.

Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74, equations 1 and 2.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.models.evidence import ClassMapModel

_BATCH = 8  # windows at once


def gene_maps(
    network: ClassMapModel,
    image: UInt8[Tensor, "n 3 P P"],
    genes: Sequence[int],
    device: torch.device,
) -> Float[np.ndarray, "n K h w"]:
    """Maps of these genes over each window, zero or above, in the cells of the network's map.

    A map is in the unit of the network's output. It is zero where channels that lower the gene
    prevail, and so may be zero everywhere. The network must be in eval mode.
    """
    parts = [_of_batch(network, part.to(device), genes).cpu() for part in image.split(_BATCH)]
    return torch.cat(parts).double().numpy()


def class_activation(
    channels: Float[Tensor, "B C h w"], value: Float[Tensor, ""]
) -> Float[Tensor, "B h w"]:
    """Channels, weighted by the mean slope of a value by each, summed and cut at zero."""
    (slope,) = torch.autograd.grad(value, channels, retain_graph=True)
    weight = slope.mean(dim=(2, 3), keepdim=True)
    return (weight * channels.detach()).sum(dim=1).relu()


def _of_batch(
    network: ClassMapModel, image: UInt8[Tensor, "B 3 P P"], genes: Sequence[int]
) -> Float[Tensor, "B K h w"]:
    with torch.no_grad():
        channels = network.class_map(image).float()
    channels.requires_grad_()
    with torch.enable_grad():
        predicted = network.genes_of_map(channels)
        maps = [class_activation(channels, predicted[:, gene].sum()) for gene in genes]
    return torch.stack(maps, dim=1)
