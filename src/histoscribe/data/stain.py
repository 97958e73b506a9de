"""Reinhard's colour transfer: every slide gets the tissue colours of the training slides.

Colours are compared by mean and deviation in l-alpha-beta, a logarithmic space of opponent
colours whose channels are nearly uncorrelated (Reinhard et al. 2001, doi:10.1109/38.946629).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from histoscribe.data.tissue import TissueMask, tissue_pixels
from histoscribe.errors import DataContractError, Problem
from histoscribe.types import Slide

STAIN_VERSION = "1"
"""Part of the cache key of every normalised feature."""

# RGB to the responses of long, middle and short cones, and from their logarithms to l-alpha-beta
_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_LAB = np.diag([1 / 3, 1 / 6, 1 / 2]) ** 0.5 @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
_MOST_LOG = np.float32(8.0)
_LEAST_DEVIATION = 1e-3  # of log10; a grey image has no deviation in alpha and beta, H&E about 0.02


@dataclass(frozen=True)
class TissueColour:
    """Mean and deviation of the colour of tissue, in the channels of l-alpha-beta (log10)."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @property
    def identity(self) -> str:
        """Text that identifies the normalisation of a tile to this reference."""
        mean, deviation = (",".join(map(repr, part)) for part in (self.mean, self.deviation))
        return f"reinhard-{STAIN_VERSION}({mean};{deviation})"

    @classmethod
    def from_json(cls, value: Mapping[str, Sequence[float]]) -> "TissueColour":
        """Restore a value from `dataclasses.asdict` and JSON."""
        return cls(_triple(value["mean"]), _triple(value["deviation"]))


def tissue_colour(slide: Slide, mask: TissueMask) -> TissueColour:
    """Measure the colour of a slide's tissue at 8 um/px, from its pixels only.

    Raises
    ------
    DataContractError
        if there is no tissue, or it has no colour: a grey image cannot get another stain.
    """
    n_px, total, squares = 0, np.zeros(3), np.zeros(3)
    for pixels in tissue_pixels(slide, mask):
        lab = _to_log_lms(pixels).astype(np.float64) @ _LAB.T
        n_px += len(lab)
        total += lab.sum(axis=0)
        squares += np.square(lab).sum(axis=0)
    if n_px == 0:
        raise DataContractError(_unusable(slide, "no tissue"))
    mean = total / n_px
    deviation = np.sqrt(np.maximum(squares / n_px - mean**2, 0.0))
    if deviation.min() < _LEAST_DEVIATION:
        raise DataContractError(_unusable(slide, "a grey image, or tissue of a single colour"))
    return TissueColour(_triple(mean), _triple(deviation))


def reference_colour(colours: Sequence[tuple[str, TissueColour]]) -> TissueColour:
    """Average the slides of a fold's training sections, given as (patient, colour).

    Each patient has the same weight, and each section of a patient. The deviation is the root of
    the mean variance *within* slides, because the differences between slides are to be removed.
    Rounded to 1e-6, so that the last bits of a logarithm do not change features.
    """
    means, variances = [], []
    for patient in sorted({name for name, _ in colours}):
        own = [colour for name, colour in colours if name == patient]
        means.append(np.mean([colour.mean for colour in own], axis=0))
        variances.append(np.mean([np.square(colour.deviation) for colour in own], axis=0))
    mean = np.asarray(np.mean(means, axis=0))
    deviation = np.sqrt(np.mean(variances, axis=0))
    return TissueColour(_triple(mean.round(6)), _triple(deviation.round(6)))


def recoloured(
    pixels: UInt8[np.ndarray, "*places 3"], source: TissueColour, reference: TissueColour
) -> UInt8[np.ndarray, "*places 3"]:
    """Transfer pixels of a slide with colour `source` to the colour of `reference`.

    Equations 10 and 11: each channel of l-alpha-beta is centred, scaled by the ratio of the
    deviations and centred on the reference. Between the two logarithms this is one matrix.
    """
    scale = np.divide(reference.deviation, source.deviation)
    matrix = np.linalg.solve(_LAB, scale[:, None] * _LAB)
    shift = np.linalg.solve(_LAB, reference.mean - scale * source.mean)
    log = _to_log_lms(pixels) @ matrix.T.astype(np.float32) + shift.astype(np.float32)
    # far beyond the range 0-255, where a slide with little colour would overflow
    log = log.clip(-_MOST_LOG, _MOST_LOG)
    back = np.linalg.inv(_LMS).T.astype(np.float32) * np.float32(256)
    rgb = np.exp(log * np.float32(np.log(10.0))) @ back - np.float32(1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _to_log_lms(pixels: UInt8[np.ndarray, "*places 3"]) -> Float[np.ndarray, "*places 3"]:
    # one is added, because black has no logarithm
    light = (pixels.astype(np.float32) + np.float32(1)) @ (_LMS.T / 256).astype(np.float32)
    return np.log10(light)


def _triple(values: Sequence[float] | Float[np.ndarray, " 3"]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _unusable(slide: Slide, found: str) -> Problem:
    return Problem(
        where=f"slide {slide.path.name}",
        found=found,
        expected='tissue in colour, for inputs.stain = "reinhard" to normalise',
        remedy='leave the slide out, or set inputs.stain = "none"',
    )
