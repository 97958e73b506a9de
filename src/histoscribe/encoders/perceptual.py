"""Perceptual distance between two tiles: the distance between a trained net's maps of them.

Zhang et al. 2018 (arXiv:1801.03924, equation 1): at several layers of a net, each position's vector
is normalised to unit length; the squared differences are weighted by channel, summed over channels,
averaged over positions and summed over layers. With the published channel weights this is LPIPS;
with every weight 1 it is the same distance without weights learned from human judgements.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision
from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.weights import find_weights, weight_places
from histoscribe.seed import integer

SMALLEST_PX = 64
"""With smaller tiles a net with strides has no position left at its last layer."""

_LENGTH_EPS = 1e-10  # a position where every channel is 0 has no direction and no gradient


@dataclass(frozen=True)
class _Trunk:
    """Layers of a torchvision net that are compared."""

    taps: tuple[str, ...]
    """Modules, from the finest to the coarsest."""
    published: str | None = None
    """File of torchmetrics with LPIPS' channel weights of these layers."""


def _features(*numbers: int) -> tuple[str, ...]:
    return tuple(f"features.{number}" for number in numbers)


# AlexNet first: its authors recommend it as a metric
_TRUNKS = {
    "torchvision:alexnet": _Trunk(_features(1, 4, 7, 9, 11), "alex.pth"),
    "torchvision:vgg16": _Trunk(_features(3, 8, 15, 22, 29), "vgg.pth"),
    "torchvision:squeezenet1_1": _Trunk(_features(1, 4, 7, 9, 10, 11, 12), "squeeze.pth"),
    "torchvision:squeezenet1_0": _Trunk(_features(1, 5, 8, 9, 10, 12)),
    "torchvision:resnet50": _Trunk(("relu", "layer1", "layer2", "layer3", "layer4")),
    "torchvision:densenet121": _Trunk(
        ("features.relu0", *(f"features.denseblock{block}" for block in range(1, 5)))
    ),
}

TRUNKS = tuple(_TRUNKS)
"""Nets for a perceptual distance; the first whose weights are available is the default."""


@final
class Perceptual(nn.Module):
    """Perceptual distance between tiles; frozen, and differentiable by its tiles."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: str,
        source: str,
        net: nn.Module,
        channel_weights: Sequence[Tensor],
        *,
        uniform: bool,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        """The net's name, one of `TRUNKS`."""
        self.name = f"uniform weights on {trunk}" if uniform else f"LPIPS ({trunk})"
        """Name for the card."""
        self.source = source
        """`sha256:...` of the net's file, or `random:<seed>`, for the card."""
        self.net = net.eval().requires_grad_(requires_grad=False)
        for layer, weight in enumerate(channel_weights):
            self.register_buffer(f"root_{layer}", weight.sqrt()[:, None, None])
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD)[:, None, None])

    def train(self, mode: bool = True) -> "Perceptual":  # noqa: FBT001, FBT002 - torch's signature
        """Stay in evaluation mode when the surrounding model is set to training."""
        del mode
        return super().train(mode=False)

    def embed(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B D"]:
        """Embed tiles in 0..255 so that the squared L2 distance is the perceptual distance.

        The width grows with the tile; only tiles of one side are comparable. Raises ValueError
        below 64 px.
        """
        return torch.cat([maps.flatten(1) for maps in self._weighted(image)], dim=1)

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        other: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
    ) -> Float[Tensor, " B"]:
        """Distance of each tile (0..255) to its counterpart; 0 for equal tiles."""
        pairs = zip(self._weighted(image), self._weighted(other), strict=True)
        layers = [(maps - others).square().sum(dim=(1, 2, 3)) for maps, others in pairs]
        return torch.stack(layers).sum(dim=0)

    def _weighted(self, image: Tensor) -> list[Float[Tensor, "B C H W"]]:
        """Maps of each layer: unit length at each position, times the roots of the weights."""
        if image.shape[-1] < SMALLEST_PX:
            raise ValueError(f"tiles of {image.shape[-1]} px; {SMALLEST_PX} px or more are needed")
        seen = self.net((image.to(self.mean.dtype) - self.mean) / self.std)
        return [self._of_layer(layer, maps) for layer, maps in enumerate(seen.values())]

    def _of_layer(self, layer: int, maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        length = (maps.square().sum(dim=1, keepdim=True) + _LENGTH_EPS).sqrt()
        root = self.get_buffer(f"root_{layer}") / (maps.shape[-1] * maps.shape[-2]) ** 0.5
        return root * (maps / length)


def load_perceptual(
    name: str | None = None,
    *,
    given: Mapping[str, Path] | None = None,
    random_seed: int | None = None,
) -> Perceptual:
    """Load the perceptual distance with weights from this machine; nothing is downloaded.

    Parameters
    ----------
    name
        One of `TRUNKS`; default the first of them whose weights are available. On AlexNet, VGG-16
        and SqueezeNet 1.1 it is LPIPS; on the others every channel weighs 1.
    given
        Weight files by name; searched before the other places of weights.
    random_seed
        Seed to draw the net's weights, every channel weighing 1: for tests, and as a control.

    Raises
    ------
    DataContractError
        for an unknown name, missing weights, or weights that do not fit.
    """
    if name is not None and name not in _TRUNKS:
        raise DataContractError(_unknown(name))
    if random_seed is not None:
        drawn = name or "torchvision:squeezenet1_0"
        source = f"random:{random_seed}"
        return _on(drawn, _drawn(drawn, random_seed), source, published=None)
    tried = TRUNKS if name is None else (name,)
    files = {trunk: find_weights(trunk, given) for trunk in tried}
    found = next(((trunk, file) for trunk, file in files.items() if file is not None), None)
    if found is None:
        raise DataContractError(_missing(tried))
    trunk, file = found
    tensors, source = read_weights(file)
    net = _empty(trunk)
    load_exactly(net, tensors, net_name=trunk, where=str(file))
    return _on(trunk, net, source, published=_TRUNKS[trunk].published)


def _on(trunk: str, net: nn.Module, source: str, *, published: str | None) -> Perceptual:
    """Cut the net at its layers and attach the channel weights."""
    # torchvision takes seconds to import, and most runs do not need it
    from torchvision.models.feature_extraction import create_feature_extractor

    taps = _TRUNKS[trunk].taps
    cut = create_feature_extractor(
        net.eval(), {tap: tap for tap in taps}, suppress_diff_warning=True
    )
    with torch.no_grad():
        maps = cut(torch.zeros(1, 3, SMALLEST_PX, SMALLEST_PX))
    n_channels = [maps[tap].shape[1] for tap in taps]
    if published is None:
        weights = [torch.ones(n) for n in n_channels]
        return Perceptual(trunk, source, cut, weights, uniform=True)
    weights = _channel_weights(published, n_channels)
    return Perceptual(trunk, source, cut, weights, uniform=False)


def _channel_weights(published: str, n_channels: Sequence[int]) -> list[Tensor]:
    """LPIPS' weights of each layer's channels, as shipped with torchmetrics; all are >= 0."""
    spec = importlib.util.find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        raise DataContractError(
            Problem(
                where="LPIPS",
                found="torchmetrics, which brings its channel weights, is not installed",
                expected="the library torchmetrics, which lightning uses, too",
                remedy="pip install torchmetrics",
            )
        )
    file = Path(spec.origin).parent / "functional" / "image" / "lpips_models" / published
    tensors, _ = read_weights(file)
    lins = nn.Module()
    for layer, n in enumerate(n_channels):
        # in training a dropout stood first: hence the names `lin0.model.1.weight` of the file
        conv = nn.Sequential(nn.Identity(), nn.Conv2d(n, 1, 1, bias=False))
        lins.add_module(f"lin{layer}", nn.ModuleDict({"model": conv}))
    load_exactly(lins, tensors, net_name="LPIPS", where=str(file))
    return [weight.detach().flatten() for weight in lins.state_dict().values()]


def _empty(trunk: str) -> nn.Module:
    """Net without values: drawing those of VGG-16 takes seconds, only to be overwritten."""
    with torch.device("meta"):
        return _made(trunk)


def _drawn(trunk: str, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, f"perceptual {trunk}"))
        return _made(trunk)


def _made(trunk: str) -> nn.Module:
    from torchvision import models as zoo

    return zoo.get_model(trunk.partition(":")[2], weights=None)


def _unknown(name: str) -> Problem:
    return Problem(
        where=f"perceptual distance on {name!r}",
        found="no net of this name with layers for the distance",
        expected=f"one of {', '.join(TRUNKS)}",
        remedy="choose one of these",
    )


def _missing(tried: Sequence[str]) -> Problem:
    return Problem(
        where="perceptual distance",
        found=f"no weights of {', '.join(tried)}",
        expected="a file with the weights of one of them; nothing is downloaded here",
        remedy=f"put a file at {weight_places(tried[0])[0]}, or give it: --weights {tried[0]}=FILE",
    )
