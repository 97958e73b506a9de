"""A second slide with immunohistochemistry as a reference: brown stain in each spot's area."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, UInt8
from skimage.color import hdx_from_rgb
from skimage.filters import threshold_otsu

from histoscribe.data.tissue import tissue_mask
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.where.against.landmarks import (
    Affine,
    Alignment,
    Landmarks,
    align,
    check_inside,
)
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.explain.where.against.spot_areas import SlideAreas
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Section, Slide

LEAST_TISSUE = 0.5
"""Share of tissue in the area of a spot, below which it is left out."""
_MPP_DIFFERENCE = 0.1
_HAEMATOXYLIN, _DAB = 0, 1  # columns of scikit-image's matrix; the third is what both leave


@final
@dataclass(frozen=True, eq=False)
class StainSlide:
    """A slide stained with haematoxylin and DAB, laid over a section."""

    slide: Slide
    affine: Affine
    """From px of the section's slide to px of this one."""
    alignment: Alignment | None
    """None for a slide of the same size, which needs no landmarks."""
    notes: tuple[str, ...]


def open_stain_slide(path: Path, section: Section, landmarks: Landmarks | None) -> StainSlide:
    """Open a second slide and lay it over the section by its landmarks.

    Its um per px follows from the section's and the landmarks.

    Raises
    ------
    DataContractError
        for an image that cannot be read, one of another size without landmarks, and landmarks
        outside of either image.
    """
    first = section.slide
    size = (first.width, first.height)
    if landmarks is None:
        slide = open_slide(path, first.mpp)
        if (slide.width, slide.height) != size:
            raise DataContractError(_other_size(path, (slide.width, slide.height), size))
        note = f"{path.name} has the size of the section's image and was laid over it as it is."
        return StainSlide(slide, Affine.scaling(1.0, 1.0), None, (note,))
    alignment = align(landmarks, first.mpp)
    slide = open_slide(path, first.mpp / alignment.affine.scale)
    if problems := check_inside(landmarks, (size, (slide.width, slide.height))):
        raise DataContractError(problems)
    notes = (*alignment.notes, *_scale_notes(path, slide))
    return StainSlide(slide, alignment.affine, alignment, notes)


def stain_reference(stain: StainSlide, section: Section) -> MapReference:
    """Density of DAB over the tissue in the area of each spot.

    Spots count as stained above Otsu's threshold of these densities. Left out are spots of which
    less than half is tissue on either slide.

    Raises DataContractError where the second slide shows no tissue under any spot.
    """
    first, spots = section.slide, section.spots
    same = Affine.scaling(1.0, 1.0)
    below = SlideAreas(spots, first.mpp, first, tissue_mask(first), same)
    above = SlideAreas(spots, first.mpp, stain.slide, tissue_mask(stain.slide), stain.affine)
    name = stain.slide.path.name
    share = np.minimum(below.tissue_share(), above.tissue_share())
    present = share >= LEAST_TISSUE
    if not present.any():
        raise DataContractError(_no_tissue(name, len(spots)))
    value = np.where(present, above.means(dab_density), np.nan)
    threshold = float(threshold_otsu(value[present]))
    n_out = int((~present).sum())
    left_out = f"{n_out} of {len(spots)} spots were left out: less than half of them is tissue."
    notes = (*stain.notes, left_out) if n_out else stain.notes
    return MapReference(
        name="stain",
        words=f"the density of DAB in {name}",
        value=value,
        positive=present & (value > threshold),
        positive_words=f"the spots whose density of DAB in {name} is above {threshold:.3f} "
        "(Otsu's threshold)",
        present=present,
        notes=notes,
        numbers=() if stain.alignment is None else stain.alignment.numbers,
    )


def stain_densities(pixels: UInt8[np.ndarray, "*places 3"]) -> Float[np.ndarray, "*places 2"]:
    """Optical density of haematoxylin and of DAB in each px.

    Optical density is -log10((value + 1) / 256) of each channel, unmixed with the vectors of
    Ruifrok and Johnston (Anal Quant Cytol Histol 23:291, 2001) for these two stains, as
    scikit-image has them. Slightly negative where noise exceeds the stain.
    """
    density = -np.log10((pixels.astype(np.float64) + 1.0) / 256.0)
    return (density @ hdx_from_rgb)[..., [_HAEMATOXYLIN, _DAB]]


def dab_density(pixels: UInt8[np.ndarray, "P P 3"]) -> Float[np.ndarray, "P P"]:
    """Optical density of DAB in each px."""
    return stain_densities(pixels)[..., _DAB]


def _scale_notes(path: Path, slide: Slide) -> tuple[str, ...]:
    stated = image_mpp(path)
    if stated is None or abs(slide.mpp / stated - 1) <= _MPP_DIFFERENCE:
        return ()
    return (
        f"By the landmarks {path.name} has {slide.mpp:.3g} um/px, but the file states "
        f"{stated:.3g}: check the landmarks.",
    )


def _other_size(path: Path, found: tuple[int, int], expected: tuple[int, int]) -> Problem:
    return Problem(
        where=str(path),
        found=f"{found[0]} x {found[1]} px, and no landmarks",
        expected=f"an image of {expected[0]} x {expected[1]} px, as the section's, or landmarks",
        remedy="give a table of landmarks (columns x, y, x2, y2) as points",
    )


def _no_tissue(name: str, n_spots: int) -> Problem:
    return Problem(
        where=name,
        found=f"none of {n_spots} spots lies on tissue of both slides",
        expected="a second slide of the same tissue",
        remedy="check image and landmarks",
    )
