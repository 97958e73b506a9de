"""The tissue of a section as one small picture, with its position in um."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from histoscribe.io.atomic import replacing, write_json
from histoscribe.io.slides.thumbnail import jpeg
from histoscribe.plot.canvas import TissueOutline, Window, around_spots, paler, read_tissue
from histoscribe.types import Section


@dataclass(frozen=True)
class Place:
    """Position of a picture on its slide, in um from the top left corner; y down."""

    left: float
    top: float
    right: float
    bottom: float


def tissue_thumbnail(section: Section, path: Path) -> None:
    """Write the H&E around the spots as `<path>.jpg` and its position as `<path>.json`.

    At most 900 px a side; existing files are kept. The position is written last: where it exists,
    the picture is complete.
    """
    place_file = path.with_name(f"{path.name}.json")
    if place_file.exists():
        return
    tissue = read_tissue(section, around_spots(section), dimmed=0.0)
    left, right, bottom, top = tissue.extent
    with replacing(path.with_name(f"{path.name}.jpg")) as temporary:
        temporary.write_bytes(jpeg(tissue.image))
    write_json(place_file, asdict(Place(left, top, right, bottom)))


def picture_of_tissue(path: Path, place: Place, dimmed: float = 0.45) -> TissueOutline:
    """Read a picture of `tissue_thumbnail`; `dimmed` in 0..1 is the share of white mixed in."""
    window = Window(place.left, place.top, place.right - place.left, place.bottom - place.top)
    extent = (place.left, place.right, place.bottom, place.top)
    return TissueOutline(window, paler(np.asarray(imread(path)), dimmed), extent)
