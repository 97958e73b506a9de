"""Encoders without weights: the mean colour, and hand-made colour and texture statistics.

Both read RGB in 0..1. Their measures have names, do not change when a tile is turned by 90 degrees
or mirrored, and are fixed: nothing is fitted. Stains are unmixed with the fixed vectors of Ruifrok
and Johnston (Anal Quant Cytol Histol 23:291, 2001).
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.encoders.spectrum import RingSpectrum

_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11))  # haematoxylin, eosin
_BINS = (0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3)  # optical density: lumen .. crowded nuclei
_LEVELS = 4  # texture at 1, 2, 4 and 8 px
_FAINT = 0.04  # a weaker bump of haematoxylin is noise of the camera or of JPEG
_WHITE = 254.5 / 255
_EPS = 1e-4


@final
class MeanColour(nn.Module):
    """Mean red, green and blue over the pixels that are not pure white."""

    version = 1
    width = 3

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 3"]:
        """Average in 0..1; a tile without tissue is white."""
        seen = (image < _WHITE).any(dim=1, keepdim=True).to(image.dtype)
        total = seen.sum(dim=(2, 3))
        mean = (image * seen).sum(dim=(2, 3)) / total.clamp(min=1.0)
        return torch.where(total > 0, mean, torch.ones_like(mean))


@final
class ColourTexture(nn.Module):
    """Statistics of stain, texture and the arrangement of nuclei, over a whole tile.

    In order: mean and deviation of the three unmixed stains, over the tile and in its centre; soft
    histograms of haematoxylin and eosin; at 1, 2, 4 and 8 px gradient strength, local and common
    orientation, bumps, contrast and self-similarity; ring power of haematoxylin; and at three sizes
    of nucleus their number, its variation between quarters of the tile and the structure factor
    S(k) of their positions. S(k) does not depend on their number: it is 1 at every k for randomly
    placed nuclei, above 1 at small k for clustered ones and below 1 for ones that keep apart.

    Sizes are in px, so features are comparable only at equal um/px. A bump finder merges nuclei
    that touch and splits irregular ones: the number measures crowding, it is no count.
    """

    version = 1
    width = 157
    bins: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unmix", _unmixing(), persistent=False)
        self.register_buffer("bins", torch.tensor(_BINS)[:, None, None], persistent=False)
        self.rings = RingSpectrum(n_rings=10, n_turned=5)
        self.point_rings = RingSpectrum(n_rings=8, n_turned=4)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        """Measure each tile; P of at least 64 px, best a multiple of 16."""
        if image.shape[-1] < 64:
            raise ValueError(f"colour_texture needs tiles of 64 px or more, got {image.shape[-1]}")
        # one tile at a time stays in the processor's cache: faster than a batch
        return torch.cat([self._tile(tile.contiguous()) for tile in image.split(1)])

    def _tile(self, image: Float[Tensor, "1 3 P P"]) -> Float[Tensor, "1 D"]:
        density = -torch.log10((image * 255.0 + 1.0) / 256.0)
        stain = torch.einsum("sc,bchw->bshw", self.unmix, density)
        pyramid = [stain]
        for _ in range(_LEVELS):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        parts = [_colour(pyramid[1], density.mean(dim=(1, 2, 3)), self.bins)]
        # eosin has no structure of one px, and this scale costs as much as all others
        parts += [_texture(pyramid[0][:, :1])]
        parts += [_texture(level[:, :2]) for level in pyramid[1:_LEVELS]]
        parts += [self.rings(pyramid[1][:, :1], None)]
        parts += [_nuclei(level[:, :1], self.point_rings) for level in pyramid[1:4]]
        return torch.cat(parts, dim=1)


def _unmixing() -> Float[Tensor, "3 3"]:
    """Matrix from optical density to haematoxylin, eosin and the residual."""
    stains = torch.tensor(_STAINS, dtype=torch.float64)
    stains = functional.normalize(stains, dim=1)
    neither = functional.normalize(torch.linalg.cross(stains[0], stains[1]), dim=0)
    return torch.linalg.inv(torch.vstack([stains, neither])).T.float()


def _colour(
    stain: Float[Tensor, "B 3 h w"], density: Float[Tensor, " B"], bins: Float[Tensor, "8 1 1"]
) -> Float[Tensor, "B 32"]:
    """Stain over the tile, in its centre and on tissue; histograms with these centres of bins."""
    middle = stain.shape[-1] // 4
    centre = stain[..., middle:-middle, middle:-middle]
    tissue = torch.sigmoid((stain[:, :2].sum(dim=1, keepdim=True) - 0.12) / 0.02)
    share = tissue.mean(dim=(2, 3))
    in_tissue = (stain * tissue).mean(dim=(2, 3)) / (share + 0.01)
    soft = torch.sigmoid((stain[:, :2, None] - bins) / 0.03)
    return torch.cat(
        [
            stain.mean(dim=(2, 3)),
            stain.std(dim=(2, 3)),
            centre.mean(dim=(2, 3)),
            in_tissue,
            share,
            soft.mean(dim=(3, 4)).flatten(1),
            (stain[:, 0] * stain[:, 1]).mean(dim=(1, 2))[:, None],
            density[:, None],
            density[:, None].square(),
        ],
        dim=1,
    )


def _texture(planes: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D"]:
    """Gradient, orientation, bumps and self-similarity of stains at one scale: 8 of each."""
    across = planes[..., 1:-1, 2:] - planes[..., 1:-1, :-2]
    down = planes[..., 2:, 1:-1] - planes[..., :-2, 1:-1]
    xx, yy, xy = across.square(), down.square(), across * down
    strength = (xx + yy).mean(dim=(2, 3))
    whole = _coherence(*(tensor.mean(dim=(2, 3)) for tensor in (xx, yy, xy)))
    window = max(2, min(8, planes.shape[-1] // 8))
    local = _coherence(*(_windows(tensor, window) for tensor in (xx, yy, xy)))
    bump = planes - _blur(_blur(planes))
    spread = planes.var(dim=(2, 3)) + _EPS
    middle = planes - planes.mean(dim=(2, 3), keepdim=True)
    alike = [
        (middle[..., lag:] * middle[..., :-lag]).mean(dim=(2, 3)) / spread
        + (middle[..., lag:, :] * middle[..., :-lag, :]).mean(dim=(2, 3)) / spread
        for lag in (1, 3)
    ]
    return torch.cat(
        [
            (strength + _EPS**2).sqrt(),
            whole,
            local.mean(dim=(2, 3)),
            (bump.square().mean(dim=(2, 3)) + _EPS**2).sqrt(),
            bump.clamp(min=0).mean(dim=(2, 3)),
            *alike,
            (_windows(planes, window).var(dim=(2, 3)) + _EPS**2).sqrt(),
        ],
        dim=1,
    )


def _windows(values: Tensor, side_px: int) -> Tensor:
    """Means of windows of about one side that fill the tile, symmetric to all edges."""
    return functional.adaptive_avg_pool2d(values, values.shape[-1] // side_px)


def _coherence(xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """0 if gradients point in all directions, 1 if they share one."""
    return ((xx - yy).square() + 4 * xy.square() + _EPS**4).sqrt() / (xx + yy + _EPS**2)


def _nuclei(stain: Float[Tensor, "B 1 h w"], rings: RingSpectrum) -> Float[Tensor, "B 18"]:
    """Number of bumps of one size, evenness of their positions, and structure factor."""
    small = _blur(_blur(stain))
    bump = small - _blur(_blur(_blur(_blur(small))))
    # the position of a peak is a choice without gradient: the gradient flows through its height
    peak = bump.detach() == _highest(bump.detach())
    weight = ((bump / _FAINT - 0.5).clamp(0.0, 1.0) * peak).contiguous()
    number = weight.sum(dim=(1, 2, 3))
    side = stain.shape[-1]
    quarters = functional.adaptive_avg_pool2d(weight, 4).flatten(1) * (side / 4) ** 2
    uneven = quarters.var(dim=1) / (quarters.mean(dim=1) + 0.5)
    height = (bump.clamp(min=0) * peak).sum(dim=(1, 2, 3)) / (number + 1.0)
    crowd = number / side**2 * 100
    middle = weight[..., side // 4 : -(side // 4), side // 4 : -(side // 4)]
    facts = [
        crowd,
        (crowd + _EPS).log10(),
        middle.mean(dim=(1, 2, 3)) * 100,
        height,
        (uneven + 0.01).log10(),
        bump.clamp(min=0).mean(dim=(1, 2, 3)),
    ]
    points = rings(weight, weight.square().sum(dim=(1, 2, 3)) + 1.0)
    return torch.cat([torch.stack(facts, dim=1), points], dim=1)


def _highest(values: Float[Tensor, "B 1 h w"]) -> Float[Tensor, "B 1 h w"]:
    """Maximum of each 3 x 3 window; four times as fast as torch's pooling for these maps."""
    wide = functional.pad(values, (1, 1, 1, 1), mode="replicate")
    rows = torch.maximum(torch.maximum(wide[..., :-2, :], wide[..., 1:-1, :]), wide[..., 2:, :])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def _blur(values: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """Binomial 3 x 3 blur with the edge repeated; faster than torch's box filter."""
    wide = functional.pad(values, (1, 1, 1, 1), mode="replicate")
    rows = wide[..., :-1, :] + wide[..., 1:, :]
    rows = rows[..., :-1, :] + rows[..., 1:, :]
    columns = rows[..., :-1] + rows[..., 1:]
    return (columns[..., :-1] + columns[..., 1:]) / 16.0
