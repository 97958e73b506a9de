"""A gene of a section as a small picture of dots, without tissue."""

from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import colormaps
from scipy.spatial import KDTree

from histoscribe.io.slides.thumbnail import plain_png

_SIDE_PX = 220
_FINER = 3  # drawn larger, and then reduced
_SHARE = (2.0, 98.0)  # per cent of the values between the ends of the colours
_UNKNOWN = (128, 128, 128)


@dataclass(frozen=True)
class ColourScale:
    """Colours of the values of a gene; signed values have white at zero."""

    low: float
    high: float
    is_signed: bool

    @property
    def colours(self) -> str:
        """Name of the palette in matplotlib; both are safe for colour-blind readers."""
        return "RdBu_r" if self.is_signed else "cividis"

    def rgb(self, values: Float[np.ndarray, " N"]) -> UInt8[np.ndarray, "N 3"]:
        """Colour of each value; a gene without any spread has the colour of the middle."""
        span = self.high - self.low
        place = (values - self.low) / span if span > 0 else np.full(len(values), 0.5)
        rgb = colormaps[self.colours](np.clip(place, 0, 1))[:, :3]
        return np.where(np.isfinite(values)[:, None], 255 * rgb, _UNKNOWN).astype(np.uint8)


def colour_scale(values: Float[np.ndarray, " N"]) -> ColourScale:
    """Common scale of all given values, measured and predicted together."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ColourScale(0.0, 0.0, is_signed=False)
    low, high = (float(end) for end in np.percentile(known, _SHARE))
    if known.min() < 0:
        far = max(abs(low), abs(high))
        return ColourScale(-far, far, is_signed=True)
    return ColourScale(low, high, is_signed=False)


def dot_map(
    xy_um: Float[np.ndarray, "N 2"], values: Float[np.ndarray, " N"], scale: ColourScale
) -> str:
    """Spots at their places, y down, as the data URI of a PNG with a transparent background.

    Dots are as wide as most spots are apart, so that a small picture shows the pattern.
    """
    spot, distance, diameter_um = _nearest(xy_um)
    opaque = (distance <= diameter_um / 2).astype(float)[..., None]
    rgb = scale.rgb(values)[spot] * opaque
    share = _reduced(opaque)
    mean = _reduced(rgb) / np.maximum(share, 1e-9)
    pixels = np.rint(np.concatenate([mean, 255 * share], axis=2)).astype(np.uint8)
    return f"data:image/png;base64,{b64encode(plain_png(pixels)).decode('ascii')}"


def _nearest(
    xy_um: Float[np.ndarray, "N 2"],
) -> tuple[Int[np.ndarray, "height width"], Float[np.ndarray, "height width"], float]:
    """Nearest spot of each fine pixel, its distance, and the width of a dot, both in um."""
    tree = KDTree(xy_um)
    apart = tree.query(xy_um, k=2)[0][:, 1] if len(xy_um) > 1 else np.ones(1)
    diameter_um = max(float(np.median(apart)), 1.0)
    low, high = xy_um.min(axis=0) - diameter_um, xy_um.max(axis=0) + diameter_um
    step_um = float((high - low).max()) / (_SIDE_PX * _FINER)
    n_across, n_down = (_FINER * int(np.ceil(side / step_um / _FINER)) for side in high - low)
    x = low[0] + step_um * (np.arange(n_across) + 0.5)
    y = low[1] + step_um * (np.arange(n_down) + 0.5)
    distance, spot = tree.query(np.stack(np.meshgrid(x, y), axis=2))
    return spot, distance, diameter_um


def _reduced(pixels: Float[np.ndarray, "tall wide channels"]) -> Float[np.ndarray, "h w channels"]:
    """Mean of each block of fine pixels, so that the edge of a dot is smooth."""
    tall, wide, channels = pixels.shape
    blocks = pixels.reshape(tall // _FINER, _FINER, wide // _FINER, _FINER, channels)
    return blocks.mean(axis=(1, 3))
