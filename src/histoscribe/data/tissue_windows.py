"""Windows anywhere on the tissue of a slide, to train an encoder on without labels.

There is far more tissue than spots: most of it lies between the spots and beside the array.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from histoscribe.data.tiles import Tiles
from histoscribe.data.tissue import MASK_VERSION, TissueMask, tissue_mask
from histoscribe.errors import DataContractError, Problem
from histoscribe.seed import stream
from histoscribe.types import Section, Spots

DRAW_VERSION = f"1-on-tissue-{MASK_VERSION}"
"""Part of the name of every encoder trained on windows: another draw gives other weights."""
_UM2_PER_MM2 = 1e6


def windows_on_tissue(
    section: Section,
    tiles: Tiles,
    *,
    n_windows: int,
    seed: int,
    train: Int[np.ndarray, " N"],
    test: Int[np.ndarray, " M"],
) -> Section:
    """The section with windows in place of its spots: without counts, and read like spots.

    Their centres are drawn uniformly on the tissue of the whole slide. `train` and `test` are rows
    of its spots in a fold. Tissue nearer to a test spot than to every training spot is left out;
    `test` is empty unless a protocol divides sections.

    Raises
    ------
    DataContractError
        if the tissue is smaller than one window.
    """
    slide, xy = section.slide, section.spots.xy
    mask = tissue_mask(slide)
    inside = mask.inside & ~_nearer_to_test(mask, xy[train], xy[test])
    px_um2 = float(np.prod(mask.px_per_mask_px)) * mask.mpp**2
    window_um2 = (tiles.side_px * tiles.mpp) ** 2
    if inside.sum() * px_um2 < window_um2:
        raise DataContractError(_too_little(section, inside.sum() * px_um2, window_um2))
    rng = stream(seed, f"windows-{section.id}")
    drawn = rng.integers(inside.sum(), size=n_windows)
    corner = np.argwhere(inside)[drawn, ::-1]
    centres = (corner + rng.random((n_windows, 2))) * mask.px_per_mask_px
    centres = np.minimum(centres, [slide.width, slide.height])  # the last mask px may reach out
    places = Spots(tuple(map(str, range(n_windows))), centres, None, None, shape="cells")
    return Section(section.id, section.patient, slide, places, None)


def _nearer_to_test(
    mask: TissueMask, train: Float[np.ndarray, "N 2"], test: Float[np.ndarray, "M 2"]
) -> Bool[np.ndarray, "height width"]:
    nearer = np.zeros(mask.inside.shape, dtype=bool)
    if len(test):
        centres = (np.argwhere(mask.inside)[:, ::-1] + 0.5) * mask.px_per_mask_px
        to_test, to_train = (KDTree(xy).query(centres)[0] for xy in (test, train))
        nearer[mask.inside] = to_test < to_train
    return nearer


def _too_little(section: Section, tissue_um2: float, window_um2: float) -> Problem:
    return Problem(
        where=f"section {section.id} ({section.slide.path.name})",
        found=f"{tissue_um2 / _UM2_PER_MM2:.3g} mm2 of tissue to draw training windows from",
        expected=f"at least the area of one window, {window_um2 / _UM2_PER_MM2:.3g} mm2",
        remedy="look at its tissue mask, use smaller tiles, or leave the section out",
    )
