"""E of the extractor: the style code of a tissue window, used by EGN to retrieve exemplars.

Yang et al., WACV 2023 (arXiv:2210.16721), section 3.1: learned without labels, by reconstructing
windows from their codes. After training only this net is kept, as a frozen encoder.
"""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.layers import (
    COARSEST_PX,
    CODE_WIDTH,
    Code,
    EqualConv,
    RectifiedLayers,
    ResidualBlock,
    StyleConfig,
    channels_last,
    rectified,
)
from histoscribe.encoders.egn_extractor.whitening import Whitening
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing

Maps = Sequence[Float[Tensor, "B _ _ _"]]
"""Maps of a batch of windows, from the finest scale to the coarsest."""

_EPS = 1e-8


@final
class StyleEncoder(nn.Module):
    """Style code of a window, from the maps at every scale (S2FGAN, Yang et al., WACV 2022).

    Each scale has two residual blocks, of which the first halves the side. The maps of each scale
    are averaged over a few cells and pass linear layers, four as published; their mean over the
    scales is normalised and passes five more.

    Windows are compared by this code or, `pooled`, by what the same maps hold before the linear
    layers: mean, deviation and correlations of the channels. A reconstruction needs to know where
    things lie in a window; which tissue it shows does not depend on that. Therefore both are
    averaged over the eight symmetries of the window.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.config = config
        widths, rate = config.encoder_widths, config.linear_rate
        self.colour = EqualConv(3, widths[0], 1)
        self.scales = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(*pair, halving=True), ResidualBlock(pair[1], pair[1], halving=False)
            )
            for pair in itertools.pairwise(widths)
        )
        # few channels are averaged over more cells: a head reads 512 numbers or somewhat more
        cells = [math.ceil((CODE_WIDTH / n) ** 0.5) for n in widths[1:]]
        self._cells = [min(n, COARSEST_PX) for n in cells]
        self.heads = nn.ModuleList(
            RectifiedLayers(n * cells**2, CODE_WIDTH, config.head_layers, rate=rate)
            for n, cells in zip(widths[1:], self._cells, strict=True)
        )
        self.mapping = RectifiedLayers(CODE_WIDTH, CODE_WIDTH, config.mapping_layers, rate=rate)
        self.whitening = Whitening(config.n_read, config.feature_width)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        """Whitened features of windows in -1..1, which distances are measured between."""
        return self.whitening(self.raw_features(image))

    def raw_features(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N"]:
        """Code or pooled maps of windows in -1..1, averaged over the eight symmetries."""
        return self.readings(image, (self.config.code,))[0]

    def readings(
        self, image: Float[Tensor, "B 3 P P"], codes: Sequence[Code]
    ) -> list[Float[Tensor, "B N"]]:
        """Several readings of windows in -1..1 from one pass, each as `raw_features` gives it."""
        halves = (image, image.flip(-1))
        of_views = [
            self.readings_of_view(view, codes) for half in halves for view in _quarter_turns(half)
        ]
        return [torch.stack(views).mean(dim=0) for views in zip(*of_views, strict=True)]

    def readings_of_view(
        self, image: Float[Tensor, "B 3 P P"], codes: Sequence[Code]
    ) -> list[Float[Tensor, "B N"]]:
        """Readings of one view of windows in -1..1, not averaged over symmetries."""
        maps = list(self._maps(image))
        return [self._style(maps) if code == "style" else self._pooled(maps) for code in codes]

    def read_as(self, code: Code) -> "StyleEncoder":
        """Copy whose windows are compared by another reading, not whitened yet."""
        net = deepcopy(self)
        net.config = replace(self.config, code=code)
        net.whitening = Whitening(net.config.n_read, net.config.feature_width)
        return net

    def style(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 512"]:
        """Codes of windows in -1..1, as the generator reads them."""
        return self._style(list(self._maps(image)))

    def _style(self, maps: Maps) -> Float[Tensor, "B 512"]:
        parts = [
            head(functional.adaptive_avg_pool2d(of, cells).flatten(1))
            for of, cells, head in zip(maps, self._cells, self.heads, strict=True)
        ]
        mean = torch.stack(parts).mean(dim=0)
        return self.mapping(mean * (mean.square().mean(dim=1, keepdim=True) + _EPS).rsqrt())

    def _pooled(self, maps: Maps) -> Float[Tensor, "B N"]:
        """Mean and deviation of each channel, scale by scale; then the finest correlations.

        These are the correlations of all pairs of channels at the finest scale: which patterns lie
        together, as in the textures of Gatys et al., arXiv:1508.06576.
        """
        of_channels = [part for of in maps for part in _mean_and_deviation(of)]
        return torch.cat([*of_channels, _correlations(maps[0])], dim=1)

    def _maps(self, image: Float[Tensor, "B 3 P P"]) -> Iterator[Float[Tensor, "B C H W"]]:
        """Maps at each scale, from the finest to the coarsest."""
        maps = rectified(self.colour(channels_last(image)))
        for scale in self.scales:
            maps = scale(maps)
            yield maps


def extractor_record(config: StyleConfig) -> EncoderRecord:
    """Facts of a trained extractor; its input side is the window side of its training."""
    return EncoderRecord(
        name=EXTRACTOR,
        group="trained here",
        width=config.feature_width,
        input_px=config.window_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        licence="of the slides it was trained on",
        paper="arXiv:2210.16721",
        needs_weights=True,
    )


def save_extractor(net: StyleEncoder, path: Path) -> None:
    """Write the weights as safetensors, with the widths of the net as metadata."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={EXTRACTOR: json.dumps(asdict(net.config))})


def load_extractor(path: Path) -> tuple[StyleEncoder, str]:
    """Read an extractor that `save_extractor` wrote, and its checksum as `sha256:<hex>`.

    Raises
    ------
    DataContractError
        if the file cannot be read, belongs to another net, or has a missing, additional or
        misshapen tensor.
    """
    tensors, checksum = read_weights(path)
    net = StyleEncoder(_config(path))
    load_exactly(net, tensors, net_name=EXTRACTOR, where=str(path))
    return net.eval(), checksum


def _mean_and_deviation(
    maps: Float[Tensor, "B C H W"],
) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]:
    mean = maps.mean(dim=(2, 3))
    variance = (maps - mean[:, :, None, None]).square().mean(dim=(2, 3))
    return mean, (variance + _EPS).sqrt()


def _correlations(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
    """Correlation over the places of each pair of channels."""
    mean, deviation = _mean_and_deviation(maps)
    unit = (maps.flatten(2) - mean[:, :, None]) / deviation[:, :, None]
    row, column = torch.triu_indices(maps.shape[1], maps.shape[1], offset=1)
    return (unit @ unit.mT / unit.shape[2])[:, row, column]


def _quarter_turns(image: Float[Tensor, "B 3 P P"]) -> list[Float[Tensor, "B 3 P P"]]:
    return [image.rot90(n, dims=(-2, -1)) for n in range(4)]


def _config(path: Path) -> StyleConfig:
    try:
        with safe_open(path, framework="pt") as file:
            return StyleConfig(**json.loads(file.metadata()[EXTRACTOR]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"no widths of an extractor ({type(error).__name__}: {error})",
                expected=f"the weights of an {EXTRACTOR} that histoscribe trained",
                remedy="give that file, or leave it out: then the run trains an extractor",
            )
        ) from error
