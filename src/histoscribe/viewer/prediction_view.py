"""View of a prediction file, with its slide or the stored picture below."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.stored_prediction import StoredPrediction, open_prediction
from histoscribe.io.slides.array import ArraySlide
from histoscribe.io.slides.deepzoom import DeepZoom
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.resolution import nearest_px
from histoscribe.io.slides.slide import open_slide, open_whole_slide
from histoscribe.types import Spots
from histoscribe.viewer.slide_view import GeneValues, SlideView

_GIVE = "give the slide with --slide to see it at its full resolution"


def view_of_prediction(path: Path, slide: Path | None) -> SlideView:
    """View of a file of `predict`; `slide` is the image that was predicted.

    Raises
    ------
    DataContractError
        for a file that is no prediction, and for another image than the predicted one.
    """
    stored = open_prediction(path)
    below = _given(stored, slide) if slide is not None else _stored(stored)
    measured = stored.measured_unit is not None
    return SlideView(
        name=stored.head.section,
        head=stored.head,
        values=GeneValues(
            identity=file_identity(path),
            predicted=stored.predicted,
            measured=stored.measured if measured else None,
            measured_unit=stored.measured_unit,
        ),
        xy=below.xy,
        mpp=below.mpp,
        zoom=below.zoom,
        warnings=(*stored.head.warnings, *below.warnings),
    )


def file_identity(path: Path) -> str:
    """Path, size and time of change of a file, or of the metadata of a zarr folder."""
    of = path / "zarr.json" if path.is_dir() else path
    stat = of.stat()
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"


@dataclass(frozen=True, eq=False)
class _Below:
    """What lies below the places."""

    xy: Float[np.ndarray, "N 2"]
    mpp: float | None
    zoom: DeepZoom | None = None
    warnings: tuple[str, ...] = ()


def _given(stored: StoredPrediction, path: Path) -> _Below:
    """The slide that the user names, checked against what the file says of it."""
    mpp, spots = stored_mpp(stored), stored.head.spots
    slide = open_whole_slide(path) if mpp is None else open_slide(path, mpp)
    check_slide(stored, slide)
    picture = None if stored.picture is None else stored.picture.pixels
    return _Below(spots.xy, slide.mpp, DeepZoom(slide, picture), slide.warnings)


def check_slide(stored: StoredPrediction, slide: RegionSlide) -> None:
    """Refuse a slide of another size than the predicted one."""
    size, expected = f"{slide.width:,} x {slide.height:,} px", ""
    picture = stored.picture
    if picture is not None:
        height, width = picture.pixels.shape[:2]
        apart = np.abs(np.array([slide.width, slide.height]) * picture.scale - [width, height])
        if apart.max() > 1.0:
            sides = (width / picture.scale, height / picture.scale)
            expected = "the predicted slide, of about {:,.0f} x {:,.0f} px".format(*sides)
    low, high = stored.head.spots.xy.min(axis=0), stored.head.spots.xy.max(axis=0)
    if not expected and (low.min() < 0 or (high > [slide.width, slide.height]).any()):
        expected = "the predicted slide: places lie up to {:,.0f}, {:,.0f} px".format(*high)
    if expected:
        where, found = f"--slide {slide.path}", f"an image of {size}"
        remedy = f"give the slide that {stored.path.name} was predicted from"
        raise DataContractError(Problem(where, found, expected, remedy))


def _stored(stored: StoredPrediction) -> _Below:
    """The picture in the file; the bare places without one."""
    mpp, spots, picture = stored_mpp(stored), stored.head.spots, stored.picture
    if picture is None:
        return _Below(spots.xy, mpp, None, (f"The file holds no picture of its slide: {_GIVE}.",))
    height, width = picture.pixels.shape[:2]
    scaled = None if mpp is None else mpp / picture.scale
    slide = ArraySlide(stored.head.section, picture.pixels, scaled or 1.0)
    told = f"The picture in the file has {width:,} x {height:,} px: {_GIVE}."
    warnings = (told,) if picture.scale < 1 else ()
    return _Below(spots.xy * picture.scale, scaled, DeepZoom(slide), warnings)


def stored_mpp(stored: StoredPrediction) -> float | None:
    """Size of a level-0 px in um, as the file says or by the pitch of places; None if unknown."""
    return stored.mpp if stored.mpp is not None else mpp_of_pitch(stored.head.spots)


def mpp_of_pitch(spots: Spots) -> float | None:
    """Size of a level-0 px in um by the pitch of a lattice; None without one."""
    if spots.pitch_um is None or len(spots) < 2:
        return None
    return spots.pitch_um / nearest_px(spots.xy)
