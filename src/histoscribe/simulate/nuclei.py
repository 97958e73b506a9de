"""Positions and shapes of nuclei."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.simulate.families import ARRANGEMENTS, motif_levels
from histoscribe.simulate.tissue import CELL_UM, INFILTRATE, OUTSIDE, Tissue

# of each compartment: mean radius in um, elongation, darkness
_RADIUS_UM = np.array([4.2, 3.2, 2.9, 2.6, 3.0])
_ELONGATION = np.array([1.1, 1.5, 1.0, 1.8, 1.0])
_INK = np.array([0.95, 1.1, 1.35, 1.1, 1.0])
# of each motif level
_SIZE = np.array([0.84, 1.0, 1.19])
_STRETCH = np.array([1.0, 1.4, 1.95])
_DISARRAY = np.array([0.15, 1.5])
"""Angle in radians by which nuclei stray from the direction of their patch."""
_N_CANDIDATES = 30


@dataclass(frozen=True, eq=False)
class Nuclei:
    """All nuclei of one section."""

    xy_um: Float[np.ndarray, "M 2"]
    compartment: Int[np.ndarray, " M"]
    semi_um: Float[np.ndarray, "M 2"]
    """Long and short semi-axis."""
    angle: Float[np.ndarray, " M"]
    """Of the long axis, radians."""
    ink: Float[np.ndarray, " M"]
    """Haematoxylin, relative to the average nucleus."""
    clumped: Bool[np.ndarray, " M"]
    """Whether the chromatin is coarse."""


def draw_nuclei(tissue: Tissue, rng: np.random.Generator) -> Nuclei:
    """Draw positions and shapes of the nuclei of a section, patch by patch.

    The number in a patch is Poisson with the same mean for every arrangement, so counting nuclei
    reveals nothing about their pattern.
    """
    level = motif_levels(tissue.motif)
    radius_um = _RADIUS_UM[tissue.compartment.ravel()]
    order = np.argsort(tissue.patch, axis=None, kind="stable")
    patch_ids, start = np.unique(tissue.patch.ravel()[order], return_index=True)
    placed = []
    for patch, cells in zip(patch_ids, np.split(order, start[1:]), strict=True):
        expected = tissue.density.ravel()[cells] * (CELL_UM / 1000.0) ** 2
        n = int(rng.poisson(expected.sum()))
        if n:
            candidates = _candidates(cells, expected, n, tissue.patch.shape[1], rng)
            # nuclei overlap a little, as in a section 4 um thick
            core_um = (
                1.5 * np.average(radius_um[cells], weights=expected) * _SIZE[level.size[patch]]
            )
            pattern = ARRANGEMENTS[level.arrangement[patch]]
            placed.append(_place(candidates, pattern, float(core_um), rng))
    return _shaped(tissue, np.concatenate(placed), rng)


def _candidates(
    cells: Int[np.ndarray, " cells"],
    weight: Float[np.ndarray, " cells"],
    n: int,
    width: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n candidates 2"]:
    chosen = rng.choice(cells, (n, _N_CANDIDATES), p=weight / weight.sum())
    row, column = np.divmod(chosen, width)
    return (np.stack([column, row], axis=-1) + rng.random((n, _N_CANDIDATES, 2))) * CELL_UM


def _place(
    candidates: Float[np.ndarray, "n candidates 2"],
    arrangement: str,
    core_um: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 2"]:
    """Choose positions one after the other.

    `regular` takes the candidate farthest from all placed nuclei, `clustered` the nearest that does
    not lie within `core_um` of one (now and then it starts a new clump), `random` the first such.
    """
    xy = candidates[:, 0].copy()
    fresh = rng.random(len(xy)) < 0.12
    for i in range(1, len(xy)):
        gap = np.sqrt(((candidates[i][:, None] - xy[None, :i]) ** 2).sum(axis=-1)).min(axis=1)
        if arrangement == "regular" or (arrangement == "clustered" and fresh[i]):
            pick = gap.argmax()
        elif arrangement == "clustered":
            pick = np.where(gap >= core_um, gap, np.inf).argmin()
        else:
            pick = (gap >= core_um).argmax()
        xy[i] = candidates[i, pick]
    return xy


def _shaped(tissue: Tissue, xy_um: Float[np.ndarray, "M 2"], rng: np.random.Generator) -> Nuclei:
    row, column = tissue.cell_of(xy_um)
    kind = tissue.compartment[row, column]
    keep: Bool[np.ndarray, " M"] = kind != OUTSIDE
    xy_um, kind, row, column = xy_um[keep], kind[keep], row[keep], column[keep]
    patch = tissue.patch[row, column]
    level = motif_levels(tissue.motif[patch])
    radius = _RADIUS_UM[kind] * _SIZE[level.size] * np.exp(0.09 * rng.standard_normal(len(kind)))
    # lymphocytes stay rounder than their surroundings
    longer = _STRETCH[level.elongation] ** np.where(kind == INFILTRATE, 0.6, 1.0)
    ratio = np.clip(_ELONGATION[kind] * longer * np.exp(0.1 * rng.standard_normal(len(kind))), 1, 3)
    return Nuclei(
        xy_um=xy_um,
        compartment=kind,
        semi_um=np.stack([radius * np.sqrt(ratio), radius / np.sqrt(ratio)], axis=1),
        angle=tissue.direction[patch] * np.pi / 4.0
        + _DISARRAY[level.alignment] * rng.standard_normal(len(kind)),
        clumped=level.chromatin == 1,
        # a small nucleus holds the same chromatin as a large one, more densely
        ink=_INK[kind] / _SIZE[level.size] * np.exp(0.18 * rng.standard_normal(len(kind))),
    )
