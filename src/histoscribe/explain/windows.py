"""Windows of a section, as a network reads them, for figure and table of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from histoscribe.data.images import SlideTiles
from histoscribe.data.tiles import Tiles
from histoscribe.data.tissue import tissue_mask
from histoscribe.errors import DataContractError
from histoscribe.explain.request import ExplainRequest, one_section, problems_of
from histoscribe.explain.spot_choice import DrawnSpot, named_spots, random_spots
from histoscribe.types import Section

MOST_WINDOWS = 30
"""Windows in the table, unless more are named: the drawn ones, and others at random."""


@dataclass(frozen=True, eq=False)
class SpotWindows:
    """Tiles of some spots of a section."""

    section: Section
    tiles: Tiles
    spots: tuple[DrawnSpot, ...]
    """Of each window; the first `n_drawn` are drawn."""
    n_drawn: int
    image: UInt8[Tensor, "n 3 P P"]
    off_tissue: Bool[np.ndarray, "n P P"]
    """Pixels off the tissue, whether they were made white or not."""

    def __len__(self) -> int:
        return len(self.spots)

    @property
    def ids(self) -> tuple[str, ...]:
        """Id of the spot of each window."""
        return tuple(self.section.spots.ids[spot.row] for spot in self.spots)

    @property
    def side_um(self) -> float:
        """Side of a window."""
        return self.tiles.side_px * self.tiles.mpp

    def picture(self, window: int) -> UInt8[np.ndarray, "P P 3"]:
        """Pixels of one window."""
        return self.image[window].permute(1, 2, 0).numpy()

    def off_tissue_cells(self, height: int, width: int) -> Float[np.ndarray, "n h w"]:
        """Share of each cell of a grid that is off the tissue."""
        off = torch.from_numpy(self.off_tissue).double()[:, None]
        return functional.adaptive_avg_pool2d(off, (height, width))[:, 0].numpy()


def read_windows(section: Section, tiles: Tiles, drawn: Sequence[DrawnSpot]) -> SpotWindows:
    """Read the windows of these spots, and of others at random up to `MOST_WINDOWS`."""
    n_more = max(0, MOST_WINDOWS - len(drawn))
    spots = (*drawn, *random_spots(len(section.spots), n_more, section.id, drawn))
    rows = np.array([spot.row for spot in spots])
    mask = tissue_mask(section.slide)
    xy = section.spots.xy[rows]
    inside = [mask.tile((float(x), float(y)), tiles.side_px, tiles.mpp) for x, y in xy]
    return SpotWindows(
        section=section,
        tiles=tiles,
        spots=spots,
        n_drawn=len(drawn),
        image=SlideTiles(section, tiles, tiles.slide_look(section.slide, mask)).read(rows),
        off_tissue=~np.stack(inside),
    )


def section_and_spots(
    request: ExplainRequest, section_id: str | None, spot_ids: Sequence[str]
) -> tuple[Section, tuple[DrawnSpot, ...]]:
    """Find the section and the named spots; no spots where none is named.

    Raises DataContractError for an unknown spot, and for an image that is too coarse.
    """
    section = one_section(request, section_id)
    spots: list[DrawnSpot] = []
    problems = problems_of(
        (
            lambda: request.predictor.encoding.tiles.check(section),
            lambda: spots.extend(named_spots(section, spot_ids)),
        )
    )
    if problems:
        raise DataContractError(problems)
    return section, tuple(spots)


def off_tissue_words(windows: SpotWindows) -> str:
    """Say what the network read off the tissue."""
    share = f"{windows.off_tissue.mean():.1%} of the windows' area is off the tissue"
    if windows.tiles.white_off_tissue:
        return f"{share}, and was made white before the network read it."
    return f"{share}; the network read it as it is in the image."
