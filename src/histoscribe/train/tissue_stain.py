"""How densely the tissue of a slide is stained, as a whole."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Int
from skimage.color import rgb_from_hed

from histoscribe.data.tissue import TissueMask, tissue_mask
from histoscribe.types import Slide

_MPP = 8.0  # as the tissue mask: coarse enough to be quick
# least squares in the plane of the two stains: skimage's third vector, a brown one that H&E does
# not have, takes most of the eosin of real sections
_UNMIX = np.linalg.pinv(rgb_from_hed[:2])
_ROWS = 256  # rows of the overview at once, so that memory does not grow with the slide


@dataclass(frozen=True)
class TissueStain:
    """Optical density of haematoxylin and eosin over the tissue of one slide."""

    haematoxylin: float
    """Mean over the tissue px."""
    haematoxylin_sd: float
    eosin: float
    eosin_sd: float
    tissue_share: float
    """Of the slide, 0..1."""


def tissue_stain(slide: Slide, mask: TissueMask) -> TissueStain | None:
    """Measure the stain of a slide at 8 um/px; None where the mask has no tissue.

    Optical density is -log10((value + 1) / 256) of each channel, unmixed by least squares with
    the two vectors of Ruifrok and Johnston (Anal Quant Cytol Histol 23:291, 2001).
    """
    image = slide.overview(max(_MPP, slide.mpp))
    height, width = image.shape[:2]
    rows = _mask_px(slide.height, height, mask.px_per_mask_px[1], mask.inside.shape[0])
    columns = _mask_px(slide.width, width, mask.px_per_mask_px[0], mask.inside.shape[1])
    n_px, total, squares = 0, np.zeros(2), np.zeros(2)
    for top in range(0, height, _ROWS):
        inside = mask.inside[np.ix_(rows[top : top + _ROWS], columns)]
        tissue = image[top : top + _ROWS][inside].astype(np.float64)
        stain = -np.log10((tissue + 1.0) / 256.0) @ _UNMIX
        n_px += len(stain)
        total += stain.sum(axis=0)
        squares += (stain**2).sum(axis=0)
    if not n_px:
        return None
    mean = total / n_px
    deviation = np.sqrt(np.maximum(squares / n_px - mean**2, 0.0))
    (h, e), (h_sd, e_sd) = mean.tolist(), deviation.tolist()
    return TissueStain(h, h_sd, e, e_sd, n_px / (height * width))


_measured: WeakKeyDictionary[Slide, TissueStain | None] = WeakKeyDictionary()


def slide_stain(slide: Slide) -> TissueStain | None:
    """`tissue_stain` on the slide's own tissue mask; measured once for as long as it is open."""
    if slide not in _measured:
        _measured[slide] = tissue_stain(slide, tissue_mask(slide))
    return _measured[slide]


def _mask_px(
    slide_px: int, overview_px: int, px_per_mask_px: float, mask_px: int
) -> Int[np.ndarray, " px"]:
    """The mask px below the centre of each px of the overview, along one side."""
    centre = (np.arange(overview_px) + 0.5) * slide_px / overview_px
    return np.floor(centre / px_per_mask_px).astype(np.int64).clip(0, mask_px - 1)
