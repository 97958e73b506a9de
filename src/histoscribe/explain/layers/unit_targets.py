"""What an image shall excite: a layer, a channel, a unit or a gene, as a function of pixels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.explain.taps import Activation, Taps, tapped
from histoscribe.explain.where.gradients import genes_of_pixels
from histoscribe.predictor.predictor import Predictor

_AT_ONCE = 16
TargetValues = Callable[[Float[Tensor, "B 3 P P"]], Float[Tensor, "B U"]]
"""Value of each of some targets on each image, for pixels in 0-255."""


@final
@dataclass(frozen=True)
class UnitTarget:
    """A layer, a channel, a unit (a channel in one place) or a gene."""

    layer: str
    """Empty for a gene."""
    channel: int | None = None
    """None for a whole layer; of a gene, its place in the panel."""
    place: int | None = None
    """Row by row over the map of a layer, or the number of the token; None for a whole channel."""
    gene: str = ""
    """Display name of a gene."""

    @property
    def name(self) -> str:
        """As a user names it."""
        if self.gene:
            return self.gene
        parts = (self.layer, self.channel, self.place)
        return ":".join(str(part) for part in parts if part is not None)

    @property
    def words(self) -> str:
        """As a figure names it."""
        if self.gene:
            return f"gene {self.gene}"
        if self.channel is None:
            return f"{self.layer}\nwhole layer"
        where = "" if self.place is None else f", place {self.place}"
        return f"{self.layer}\nchannel {self.channel}{where}"


@final
@dataclass(frozen=True, eq=False)
class Direction:
    """Weights of the channels of a layer, or of genes, to compare a target with."""

    layer: str
    """Empty for the genes."""
    weight: Float[Tensor, " C"]


Goal = UnitTarget | Direction


def parse_target(text: str) -> UnitTarget | None:
    """`LAYER`, `LAYER:CHANNEL` or `LAYER:CHANNEL:PLACE`; None for other texts.

    >>> parse_target("network.hidden:3").channel, parse_target("network.hidden:x")
    (3, None)
    """
    layer, *numbers = text.split(":")
    if len(numbers) > 2 or not all(number.isdecimal() for number in numbers) or not layer:
        return None
    channel, place = [*map(int, numbers), None, None][:2]
    return UnitTarget(layer, channel, place)


@contextmanager
def target_values(predictor: Predictor, targets: Sequence[Goal]) -> Iterator[TargetValues]:
    """These targets as a function of pixels, with gradients; tiles are read one by one.

    A whole layer counts by the mean square of its activations.
    """
    layers = tuple(dict.fromkeys(target.layer for target in targets if target.layer))
    with genes_of_pixels([predictor], predictor.target.genes) as (genes_of, device):

        def values(image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B U"]:
            with tapped(predictor, layers) as taps:
                genes = genes_of(image.to(device))
                by_layer = {name: layer_channels(taps, name, len(image)) for name in layers}
            return torch.stack([_value(target, by_layer, genes) for target in targets], dim=1)

        yield values


def read_targets(values: TargetValues, image: Tensor) -> Float[np.ndarray, "n U"]:
    """Values of tiles, without gradients."""
    with torch.no_grad():
        parts = [values(some.float()).cpu().double() for some in image.split(_AT_ONCE)]
    return torch.cat(parts).numpy()


def read_channels(
    predictor: Predictor, layers: Sequence[str], image: Tensor
) -> Mapping[str, Float[np.ndarray, "n C"]]:
    """Every channel of these layers on each tile, averaged over its places."""
    read: dict[str, list[Tensor]] = {name: [] for name in layers}
    with genes_of_pixels([predictor], predictor.target.genes[:1]) as (genes_of, device):
        for some in image.split(_AT_ONCE):
            with torch.no_grad(), tapped(predictor, layers) as taps:
                genes_of(some.float().to(device))
                for name, parts in read.items():
                    channels = layer_channels(taps, name, len(some)).mean(dim=2)
                    parts.append(channels.cpu().double())
    return {name: torch.cat(parts).numpy() for name, parts in read.items()}


def layer_channels(taps: Taps, name: str, n_images: int) -> Float[Tensor, "B C places"]:
    """Channels of a layer at their places; the mean where it ran several times for one image.

    Raises ValueError for a layer without a row for each image.
    """
    runs = [_channels(run, n_images) for run in taps.attached(name)]
    return torch.stack(runs).mean(dim=0)


def _channels(value: Activation, n_images: int) -> Float[Tensor, "B C places"]:
    if value.ndim not in (2, 3, 4) or len(value) != n_images:
        raise ValueError(f"a layer of shape {tuple(value.shape)} has no row for each image")
    if value.ndim == 2:
        return value[:, :, None]
    if value.ndim == 3:
        return value.transpose(1, 2)
    # of a square map two axes are equal: those of the places
    last = value.shape[1] == value.shape[2] != value.shape[3]
    return value.flatten(1, 2).transpose(1, 2) if last else value.flatten(2)


def _value(
    target: Goal,
    by_layer: Mapping[str, Float[Tensor, "B C places"]],
    genes: Float[Tensor, "B G"],
) -> Float[Tensor, " B"]:
    if isinstance(target, Direction):
        read = by_layer[target.layer].mean(dim=2) if target.layer else genes
        return read @ target.weight.to(read)
    if target.gene:
        return genes[:, target.channel]
    channels = by_layer[target.layer]
    if target.channel is None:
        return channels.square().mean(dim=(1, 2))
    one = channels[:, target.channel]
    return one.mean(dim=1) if target.place is None else one[:, target.place]
