"""Density of haematoxylin and eosin over the tissue of a slide."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, UInt8
from skimage.color import rgb_from_hed

from histoscribe.data.tissue import TissueMask, tissue_mask, tissue_pixels
from histoscribe.types import Slide

# least squares in the plane of the two stains: skimage's third vector, a brown stain that H&E does
# not have, takes most of the eosin of real sections
_UNMIX = np.linalg.pinv(rgb_from_hed[:2])


@dataclass(frozen=True)
class TissueStain:
    """Optical density of haematoxylin and eosin over the tissue of one slide."""

    haematoxylin: float
    """Mean over the tissue px."""
    haematoxylin_sd: float
    eosin: float
    eosin_sd: float
    tissue_share: float
    """Share of tissue in the slide, 0..1."""


def stain_density(pixels: UInt8[np.ndarray, "*places 3"]) -> Float[np.ndarray, "*places 2"]:
    """Optical density of haematoxylin and eosin in each px.

    Optical density is -log10((value + 1) / 256) of each channel, unmixed by least squares with
    the two vectors of Ruifrok and Johnston (Anal Quant Cytol Histol 23:291, 2001). A colour that
    no mixture of the two has gives negative values.
    """
    return -np.log10((pixels.astype(np.float64) + 1.0) / 256.0) @ _UNMIX


def tissue_stain(slide: Slide, mask: TissueMask) -> TissueStain | None:
    """Measure the stain of a slide at 8 um/px; None for a mask without tissue."""
    n_px, total, squares = 0, np.zeros(2), np.zeros(2)
    for pixels in tissue_pixels(slide, mask):
        stain = stain_density(pixels)
        n_px += len(stain)
        total += stain.sum(axis=0)
        squares += (stain**2).sum(axis=0)
    if not n_px:
        return None
    mean = total / n_px
    deviation = np.sqrt(np.maximum(squares / n_px - mean**2, 0.0))
    (h, e), (h_sd, e_sd) = mean.tolist(), deviation.tolist()
    return TissueStain(h, h_sd, e, e_sd, float(mask.inside.mean()))


_measured: WeakKeyDictionary[Slide, TissueStain | None] = WeakKeyDictionary()


def slide_stain(slide: Slide) -> TissueStain | None:
    """Stain of a slide with its automatic tissue mask; measured once while the slide is open."""
    if slide not in _measured:
        _measured[slide] = tissue_stain(slide, tissue_mask(slide))
    return _measured[slide]
