"""Warnings about slides that differ from the training slides of a predictor."""

from collections.abc import Callable, Iterator

import numpy as np

from histoscribe.data.stain_density import TissueStain, tissue_stain
from histoscribe.data.tissue import TissueMask
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.reference import MOST_FAR, MPP_MARGIN, Reference
from histoscribe.types import Slide

_MOST_CLIPPED = 0.01  # of the given values: on her2st, another patient has at most 0.001
_SPREADS = 2.0  # deviations of the training slides, beyond the outermost of them
# In one laboratory's her2st (8 sections, 3 patients) mean densities span 0.15 (haematoxylin) and
# 0.04 (eosin), 0.11 and 0.02 within a patient: two of these deviations cause no warning for such
# slides, even with one training slide.
_LEAST_SPREAD = {"haematoxylin": 0.08, "eosin": 0.03}
_AS_IT_IS = (
    "compare the slide with the training slides, or train with stain normalisation "
    '(inputs.stain = "reinhard").'
)
_MASKED = "their values are left out (NaN; --keep-unlike keeps them). Check where they are."
_KEPT = "their values are kept, as requested. Check where they are, and do not trust them."
_NORMALISED = (
    "its colours were normalised to those of the training slides, which cannot restore what the "
    "stain does not show. Compare the slide with the training slides."
)


def unlike_training(
    slide: Slide,
    mask: TissueMask,
    reference: Reference,
    beyond: BeyondTraining | None,
    *,
    normalised: bool = False,
) -> tuple[str, ...]:
    """Warnings about properties of a slide outside the training data; empty without any.

    `beyond` says how many of its spots are beyond the training, if known. `normalised`
    means that slides get the colours of the training slides before encoding. Labels are not used: a
    slide similar to the training slides can still be predicted badly.
    """
    found = [*_resolution(slide, reference), *_stain(slide, mask, reference, normalised=normalised)]
    if beyond is not None:
        found += [*_tissue(beyond, reference), *_values(beyond)]
    return tuple(found)


def _resolution(slide: Slide, reference: Reference) -> Iterator[str]:
    low, high = reference.mpp
    if low * (1 - MPP_MARGIN) <= slide.mpp <= high * (1 + MPP_MARGIN):
        return
    finer = slide.mpp < low
    yield (
        f"The slide has {slide.mpp:.3g} um/px, the training slides {_range(low, high)}: it is "
        f"{'sharper' if finer else 'blurrier'} than the encoder's training images, even if tiles "
        "are resampled to one um/px. Check the um/px; if they are correct, trust the maps less."
    )


def _stain(
    slide: Slide, mask: TissueMask, reference: Reference, *, normalised: bool
) -> Iterator[str]:
    stain = tissue_stain(slide, mask)
    trained = list(reference.stain.values())
    if stain is None or not trained:
        return
    densities: tuple[tuple[str, Callable[[TissueStain], float]], ...] = (
        ("haematoxylin", lambda of: of.haematoxylin),
        ("eosin", lambda of: of.eosin),
    )
    for name, density in densities:
        value, values = density(stain), np.array([density(of) for of in trained])
        low, high = float(values.min()), float(values.max())
        spread = max(float(values.std()), _LEAST_SPREAD[name])
        if low - _SPREADS * spread <= value <= high + _SPREADS * spread:
            continue
        yield (
            f"The tissue holds {'less' if value < low else 'more'} {name} than the training "
            f"slides: mean optical density {value:.2f}, there {_range(low, high)}. Another "
            "protocol, scanner or section thickness looks like other tissue to the model: "
            f"{_NORMALISED if normalised else _AS_IT_IS}"
        )


def _tissue(beyond: BeyondTraining, reference: Reference) -> Iterator[str]:
    if beyond.share is None:
        yield (
            "Whether this tissue is like the training tissue is unknown: too few training spots "
            "can be compared. No value is left out, and no gene is offered as trusted."
        )
        return
    if beyond.share <= MOST_FAR:
        return
    yield (
        f"{beyond.share:.0%} of the spots differ from all training data (distance_to_training "
        f"above 1; 5 % of training spots do, measured to another {reference.unit_of}). The model "
        f"has no similar example for them: {_MASKED if beyond.masked else _KEPT}"
    )
    if not beyond.offers_genes:
        yield (
            "No gene is offered as trusted on this slide, because less than half of its spots are "
            "like the training tissue: the scores of the genes on held-out patients say nothing "
            "about it and are left out (NaN)."
        )


def _values(beyond: BeyondTraining) -> Iterator[str]:
    if beyond.n_clipped > _MOST_CLIPPED * beyond.n_values:
        yield (
            f"{beyond.n_clipped:,} of {beyond.n_values:,} given values "
            f"({beyond.n_clipped / beyond.n_values:.1%}) were outside the range that was measured "
            "in training and were set to its nearest end: the model extrapolates here, see "
            "clipped_genes of each spot."
        )


def _range(low: float, high: float) -> str:
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
