"""View of a prediction file, with its slide or the stored picture below."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.stored_prediction import StoredPrediction, open_prediction
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.resolution import nearest_px
from histoscribe.io.slides.slide import open_slide, open_whole_slide
from histoscribe.viewer.ground import Ground, picture_ground, slide_ground
from histoscribe.viewer.slide_view import GeneValues, SlideView

GIVE_SLIDE = "give the slide with --slide to see it at its full resolution"


def view_of_prediction(path: Path, slides: Mapping[str, Path]) -> SlideView:
    """View of a file of `predict`; `slides` has the predicted image by the name of its section.

    Raises
    ------
    DataContractError
        for a file that is no prediction, and for another image than the predicted one.
    """
    stored = open_prediction(path)
    slide = slides.get(stored.head.section, slides.get(""))
    ground = _stored(stored) if slide is None else _given(stored, slide)
    return SlideView(
        name=stored.head.section,
        head=stored.head,
        values=GeneValues(
            identity=file_identity(path),
            predicted=stored.predicted,
            measured=None if stored.measured_unit is None else stored.measured,
            measured_unit=stored.measured_unit,
        ),
        ground=lambda: ground,
        has_slide=ground.zoom is not None,
    )


def file_identity(path: Path) -> str:
    """Path, size and time of change of a file, or of the metadata of a zarr folder."""
    of = path / "zarr.json" if path.is_dir() else path
    stat = of.stat()
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"


def _given(stored: StoredPrediction, path: Path) -> Ground:
    """Ground of the slide that the user names, checked against what the file says of it."""
    mpp, spots = _mpp(stored), stored.head.spots
    slide = open_whole_slide(path) if mpp is None else open_slide(path, mpp)
    if expected := _other_size(stored, slide):
        raise DataContractError(
            Problem(
                where=f"--slide {path}",
                found=f"an image of {slide.width:,} x {slide.height:,} px",
                expected=expected,
                remedy=f"give the slide that {stored.path.name} was predicted from",
            )
        )
    return slide_ground(slide, spots.xy, None if stored.picture is None else stored.picture.pixels)


def _other_size(stored: StoredPrediction, slide: RegionSlide) -> str:
    """Size to expect, if a slide is not of the predicted size; else empty."""
    size, picture = np.array([slide.width, slide.height]), stored.picture
    if picture is not None:
        of_picture = np.array(picture.pixels.shape[1::-1])
        if np.abs(size * picture.scale - of_picture).max() > 1.0:
            width, height = of_picture / picture.scale
            return f"the predicted slide, of about {width:,.0f} x {height:,.0f} px"
    x, y = stored.head.spots.xy.max(axis=0)
    if x > slide.width or y > slide.height:
        return f"the predicted slide, which has places up to {x:,.0f}, {y:,.0f} px"
    return ""


def _stored(stored: StoredPrediction) -> Ground:
    """Ground of the picture in the file; the bare places without one."""
    mpp, spots, picture = _mpp(stored), stored.head.spots, stored.picture
    if picture is None:
        bare = f"The file holds no picture of its slide: {GIVE_SLIDE}."
        return Ground(spots.xy, mpp, None, (bare,))
    height, width = picture.pixels.shape[:2]
    told = f"The picture in the file has {width:,} x {height:,} px: {GIVE_SLIDE}."
    return picture_ground(
        stored.head.section,
        picture.pixels,
        spots.xy * picture.scale,
        None if mpp is None else mpp / picture.scale,
        (told,) if picture.scale < 1 else (),
    )


def _mpp(stored: StoredPrediction) -> float | None:
    """Size of a level-0 px in um, as the file says or by the pitch of places; None if unknown."""
    spots = stored.head.spots
    if stored.mpp is not None:
        return stored.mpp
    if spots.pitch_um is None or len(spots) < 2:
        return None
    return spots.pitch_um / nearest_px(spots.xy)
