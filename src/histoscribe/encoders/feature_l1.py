"""Perceptual loss of reconstructions: how far apart a trained net's maps of two tiles are.

The mean absolute difference between the maps of VGG-19 at the first rectifier of each of its five
parts, the coarsest weighing 1 and each finer one half of the next (S2FGAN, Yang et al., WACV 2022;
the finest weighs 1/32). As there, the net reads tiles in -1..1, although it was trained on others:
this scales the term. Without weights of VGG-19 the perceptual distance of another net stands in,
which reads tiles as that net was trained on, and LPIPS as it was published.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision
from histoscribe.encoders.perceptual import Perceptual, load_perceptual
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.weights import find_weights, weight_places
from histoscribe.seed import integer

VGG19 = "torchvision:vgg19"
_SHARES = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}  # of layers of `features`
_HALF_WHITE = 127.5


@final
class FeatureL1(nn.Module):
    """Mean absolute difference of VGG-19's maps; frozen, and differentiable by its tiles."""

    def __init__(self, net: nn.Sequential, source: str) -> None:
        super().__init__()
        self.name = f"L1 of maps of {VGG19} in -1..1"
        """Name for the card."""
        self.source = source
        """`sha256:...` of the net's file, or `random:<seed>`, for the card."""
        self.layers = nn.Sequential(*list(net)[: max(_SHARES) + 1]).eval()
        self.layers.requires_grad_(requires_grad=False)

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        other: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
    ) -> Float[Tensor, " B"]:
        """Distance of each tile (0..255) to its counterpart; 0 for equal tiles."""
        dtype = next(self.layers.parameters()).dtype
        maps, others = (tile.to(dtype) / _HALF_WHITE - 1 for tile in (image, other))
        total = maps.new_zeros(len(maps))
        for number, layer in enumerate(self.layers):
            maps, others = layer(maps), layer(others)
            if number in _SHARES:
                total = total + _SHARES[number] * (maps - others).abs().mean(dim=(1, 2, 3))
        return total


def load_reconstruction_loss(
    name: str | None = None,
    *,
    given: Mapping[str, Path] | None = None,
    random_seed: int | None = None,
) -> FeatureL1 | Perceptual:
    """Load the perceptual loss of the extractor with weights from this machine.

    Parameters
    ----------
    name
        `torchvision:vgg19`, or a net of `load_perceptual`; default VGG-19 if its weights are
        available, else what `load_perceptual` finds.
    given
        Weight files by name; searched before the other places of weights.
    random_seed
        Seed to draw the net's weights: for tests.

    Raises
    ------
    DataContractError
        as `load_perceptual`; or if weights of VGG-19 do not fit.
    """
    if name not in (None, VGG19):
        return load_perceptual(name, given=given, random_seed=random_seed)
    if random_seed is not None:
        return FeatureL1(_drawn(random_seed), f"random:{random_seed}")
    file = find_weights(VGG19, given)
    if file is not None:
        return _read(file)
    if name == VGG19:
        raise DataContractError(_missing())
    return load_perceptual(given=given)


def _read(file: Path) -> FeatureL1:
    from torchvision import models as zoo  # seconds, which most runs do not need

    tensors, source = read_weights(file)
    with torch.device("meta"):  # drawing values takes seconds, only to be overwritten
        net = zoo.vgg19(weights=None)
    load_exactly(net, tensors, net_name=VGG19, where=str(file))
    return FeatureL1(net.features, source)


def _drawn(seed: int) -> nn.Sequential:
    from torchvision import models as zoo

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, f"perceptual {VGG19}"))
        # the linear layers hold most of its values and are not used
        return zoo.vgg.make_layers(zoo.vgg.cfgs["E"])


def _missing() -> Problem:
    return Problem(
        where="perceptual loss of the extractor",
        found=f"no weights of {VGG19}",
        expected="a file with its weights; nothing is downloaded here",
        remedy=f"put a file at {weight_places(VGG19)[0]}, or leave out extractor.perceptual",
    )
