"""Tissue mask of a slide, from its image alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage import filters, morphology

from histoscribe.data.padding import bands, covered, padding_of, without_specks
from histoscribe.io.slides.resample import Box
from histoscribe.types import Slide

MASK_VERSION = "3"
"""Part of every key of the feature cache: a change of the mask changes the features."""

MASK_MPP = 8.0  # coarse enough to be quick, fine enough for the texture of nuclei
_WINDOW_UM = 40.0
_CLOSE_UM = 12.0
_HOLE_MM2 = 0.02
_SPECK_MM2 = 0.05  # a fiducial ring or a grain of dust is smaller, the finest biopsy is larger
_TEXTURE = (0.012, 0.035)  # a slide with nothing but tissue has no second mode for Otsu's method
_TRUNCATE = 4.0  # deviations that the Gaussian window reaches to either side
_RIM_PX = 2  # of the mask: the blurred rim of canvas is no texture


@dataclass(frozen=True, eq=False)
class TissueMask:
    """Tissue on a coarse grid over the whole slide."""

    inside: Bool[np.ndarray, "height width"]
    px_per_mask_px: tuple[float, float]
    """Level-0 px of one mask px, in x and y."""
    mpp: float
    """um per level-0 px of the slide."""

    def tile(self, xy: tuple[float, float], side_px: int, mpp: float) -> Bool[np.ndarray, "P P"]:
        """Tissue in the square of `side_px` px at `mpp` um/px centred on `xy` (level-0 px).

        Bilinear between mask px, so that an edge is a line and not a staircase; outside the slide
        there is no tissue.
        """
        offset = (np.arange(side_px) + 0.5 - side_px / 2) * mpp / self.mpp
        down, right = (
            _blend(xy[axis] + offset, self.px_per_mask_px[axis], self.inside.shape[1 - axis])
            for axis in (1, 0)
        )
        rows, columns = (slice(low, low + weight.shape[1]) for low, weight in (down, right))
        return down[1] @ self.inside[rows, columns] @ right[1].T > 0.5

    def at(self, xy: Float[np.ndarray, "N 2"]) -> Bool[np.ndarray, " N"]:
        """Whether each position (level-0 px, on the slide) lies on tissue."""
        columns, rows = np.floor(xy / self.px_per_mask_px).astype(np.int64).T
        height, width = self.inside.shape
        return self.inside[rows.clip(0, height - 1), columns.clip(0, width - 1)]


_automatic: WeakKeyDictionary[Slide, TissueMask] = WeakKeyDictionary()


def tissue_mask(slide: Slide, lost: Sequence[Box] = ()) -> TissueMask:
    """Detect tissue by its texture in optical density, on white, pink or black background.

    Tissue is rough at 8 um/px while glass, a halo of eosin or a black canvas is smooth. The local
    deviation of the optical density is split by Otsu's threshold on its logarithm (within bounds,
    for slides full of tissue), gaps are closed and specks dropped. A smooth hole with an optical
    density nearer to tissue than to glass (muscle, mucus, blood) is tissue. Black areas and padding
    of one flat colour are canvas: no tissue, and the tissue beside them is judged as if the slide
    ended there; so is what lies in `lost`, rectangles in level-0 px without pixels. Only the pixels
    are used: not the spots, not the patient. Without `lost`, it is made once while the slide is
    open.

    Known errors: a picture pasted into the slide and dense pen strokes count as tissue; smooth pale
    areas wider than 0.02 mm2 inside tissue (lumen, melted fat) count as glass; black areas above
    0.05 mm2 count as canvas even if they are pigment or ink; the edge is correct to about 20 um; a
    printed frame of fiducials, a curl of film and chains of dust can pass as tissue.
    """
    if lost:
        return _mask_of(slide, lost)
    if slide not in _automatic:
        _automatic[slide] = _mask_of(slide, lost)
    return _automatic[slide]


def _mask_of(slide: Slide, lost: Sequence[Box]) -> TissueMask:
    image = slide.overview(max(MASK_MPP, slide.mpp))
    height, width = image.shape[:2]
    px = (slide.width / width, slide.height / height)
    unread = covered((height, width), px, lost)
    return TissueMask(tissue_of(image, slide.mpp * px[0], unread), px, slide.mpp)


def tissue_pixels(slide: Slide, mask: TissueMask) -> Iterator[UInt8[np.ndarray, "n 3"]]:
    """Pixels of the tissue at 8 um/px, in blocks of rows.

    Memory does not grow with the slide. All slides are read at one scale, so that deviations of
    their colours are comparable.
    """
    image = slide.overview(max(MASK_MPP, slide.mpp))
    height, width = image.shape[:2]
    x = (np.arange(width) + 0.5) * slide.width / width
    y = (np.arange(height) + 0.5) * slide.height / height
    for rows in bands(height):
        centres = np.stack(np.meshgrid(x, y[rows]), axis=-1)
        yield image[rows][mask.at(centres.reshape(-1, 2)).reshape(-1, width)]


def tissue_of(
    image: UInt8[np.ndarray, "height width 3"],
    mpp: float,
    unread: Bool[np.ndarray, "height width"] | None = None,
) -> Bool[np.ndarray, "height width"]:
    """Detect tissue in an image of `mpp` um/px, but for unread px; see `tissue_mask`."""
    area = 1e6 / mpp**2  # px of one mm2
    padding = padding_of(image, mpp)
    if unread is not None:
        padding |= unread
    canvas = ndimage.binary_dilation(padding, iterations=_RIM_PX)
    rough = _rough(image, canvas, _WINDOW_UM / mpp)
    if rough is None:
        return np.zeros(canvas.shape, dtype=bool)
    closed = morphology.closing(rough, morphology.disk(round(_CLOSE_UM / mpp)))
    closed = without_specks(closed, _SPECK_MM2 * area)
    # the window reaches over an edge to glass by about its deviation: remove this margin
    edge = morphology.disk(max(1, round(_WINDOW_UM / mpp / 4)))
    solid = morphology.erosion(closed | canvas, edge)
    # of any size beside the canvas: a sliver of glass between it and dust is no gap in tissue
    gaps = ~(solid | canvas)
    holes = without_specks(gaps, _HOLE_MM2 * area) | _touching(gaps, canvas)
    filled = ~(_pale(holes, image, canvas, closed) | canvas)
    tissue = without_specks(filled, _SPECK_MM2 * area)
    rim = canvas & ~padding
    return tissue | (ndimage.binary_dilation(tissue, iterations=_RIM_PX) & rim)


def _rough(
    image: UInt8[np.ndarray, "height width 3"],
    canvas: Bool[np.ndarray, "height width"],
    window_px: float,
) -> Bool[np.ndarray, "height width"] | None:
    """Pixels with texture above Otsu's threshold; None if all is canvas or equally smooth."""
    texture = _texture(image, canvas, window_px)
    log_texture = texture[~canvas]
    np.maximum(log_texture, 1e-4, out=log_texture)
    np.log(log_texture, out=log_texture)
    if log_texture.size == 0 or np.ptp(log_texture) == 0:
        return None
    cut = np.clip(np.exp(filters.threshold_otsu(log_texture)), *_TEXTURE)
    return (texture > cut) & ~canvas


def _touching(
    parts: Bool[np.ndarray, "height width"], canvas: Bool[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """Connected parts that touch the canvas."""
    if not canvas.any():
        return canvas
    label, n_parts = ndimage.label(parts)
    keep = np.zeros(n_parts + 1, dtype=bool)
    keep[label[ndimage.binary_dilation(canvas)]] = True
    keep[0] = False
    return keep[label]


def _pale(
    holes: Bool[np.ndarray, "height width"],
    image: UInt8[np.ndarray, "height width 3"],
    canvas: Bool[np.ndarray, "height width"],
    rough: Bool[np.ndarray, "height width"],
) -> Bool[np.ndarray, "height width"]:
    """Connected holes whose median density is nearer to the palest 5 % than to rough tissue.

    If glass fills less than 5 %, the palest tissue replaces it, so a
    dense hole still differs from a lumen.
    """
    if not (rough & ~canvas).any():
        return holes
    tissue = np.median(_density(image[rough & ~canvas]), overwrite_input=True)
    glass = np.percentile(_density(image[~canvas]), 5, overwrite_input=True)
    label, n_holes = ndimage.label(holes)
    if n_holes == 0:
        return holes
    level = ndimage.median(_density(image[holes]), label[holes], np.arange(1, n_holes + 1))
    pale = np.concatenate([[False], level <= (tissue + glass) / 2])
    return pale[label]


def _texture(
    image: UInt8[np.ndarray, "height width 3"],
    canvas: Bool[np.ndarray, "height width"],
    window_px: float,
) -> Float[np.ndarray, "height width"]:
    """Local deviation of the optical density over a Gaussian window that skips the canvas.

    Computed in bands of rows that overlap by the window, so that memory besides the result does not
    grow with the image; every px has the same sum as over the whole image.
    """
    texture = np.empty(canvas.shape)
    reach = int(_TRUNCATE * window_px / 4 + 0.5)
    height = canvas.shape[0]
    for rows in bands(height):
        around = slice(max(rows.start - reach, 0), min(rows.stop + reach, height))
        band = _texture_of_band(image[around], canvas[around], window_px / 4)
        texture[rows] = band[rows.start - around.start :][: rows.stop - rows.start]
    return texture


def _texture_of_band(
    image: UInt8[np.ndarray, "height width 3"],
    canvas: Bool[np.ndarray, "height width"],
    sigma: float,
) -> Float[np.ndarray, "height width"]:
    def blurred(values: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        return ndimage.gaussian_filter(values, sigma, truncate=_TRUNCATE)

    density, weight = _density(image), (~canvas).astype(np.float64)
    total = np.maximum(blurred(weight), 1e-6)
    mean = blurred(weight * density) / total
    square = blurred(weight * density**2) / total
    return np.where(canvas, 0.0, np.sqrt(np.maximum(square - mean**2, 0.0)))


def _density(pixels: UInt8[np.ndarray, "*places 3"]) -> Float[np.ndarray, "*places"]:
    """Optical density of the mean over the channels."""
    return -np.log10((pixels.mean(axis=-1) + 1.0) / 256.0)


def _blend(
    px: Float[np.ndarray, " P"], px_per_mask_px: float, length: int
) -> tuple[int, Float[np.ndarray, "P window"]]:
    """Weights that read a line of mask px at level-0 positions, and the index of their first px."""
    position = px / px_per_mask_px - 0.5
    on_slide = (position >= -0.5) & (position <= length - 0.5)
    position = position.clip(
        0, length - 1
    )  # half a mask px along the border has only one neighbour
    low, high = int(np.floor(position[0])), int(np.ceil(position[-1]))
    weight = np.maximum(1.0 - np.abs(position[:, None] - np.arange(low, high + 1)), 0.0)
    return low, weight * on_slide[:, None]
