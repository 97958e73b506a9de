"""One section a shape: circles as on a Visium slide, bins as of Visium HD, cells at random."""

from pathlib import Path

import numpy as np

from histoscribe.seed import stream
from histoscribe.types import Section, Shape, Slide, Spots

SHAPES: tuple[Shape, ...] = ("circles", "squares", "cells")
MPP = 0.5
SIDE_PX = 3000


class PinkSlide(Slide):
    """1.5 mm of one colour."""

    def __init__(self) -> None:
        self.path, self.width, self.height, self.mpp = Path("pink.png"), SIDE_PX, SIDE_PX, MPP

    def read(self, xy, side_px, mpp):
        return np.full((side_px, side_px, 3), (230, 160, 200), dtype=np.uint8)

    def overview(self, mpp):
        side = round(SIDE_PX * MPP / mpp)
        return np.full((side, side, 3), (230, 160, 200), dtype=np.uint8)

    def pixel_hash(self):
        return "pink"


def spots_of(shape: Shape) -> Spots:
    """Circles of 55 um every 100 um, squares of 8 um that touch, or cells of about 10 um."""
    if shape == "circles":
        rows = [(x + 0.5 * (y % 2), y * np.sqrt(0.75)) for y in range(12) for x in range(11)]
        um, sizes = 150 + 100 * np.array(rows), (55.0, 100.0)
    elif shape == "squares":
        um = 200 + 8.0 * np.array([(x, y) for y in range(30) for x in range(40)])
        sizes = (8.0, 8.0)
    else:
        um, sizes = stream(0, "cells").uniform(200, 1300, size=(900, 2)), (10.0, None)
    return Spots(tuple(f"{shape}{i}" for i in range(len(um))), um / MPP, *sizes, shape)


def section_of(shape: Shape) -> Section:
    """A section without counts."""
    return Section(f"S-{shape}", "P", PinkSlide(), spots_of(shape), None)
