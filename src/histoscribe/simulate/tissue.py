"""The ground plan of a simulated section: outline, compartments, motifs, spots."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from histoscribe.simulate.families import COMPARTMENTS, MOTIF_SHAPE, N_MOTIFS
from histoscribe.simulate.fields import smooth_field

CELL_UM = 2.0
"""Side of a cell of the ground plan."""
PITCH_UM = 100.0
DIAMETER_UM = 55.0
_MARGIN_UM = 70.0
TUMOUR, STROMA, INFILTRATE, FAT, LUMEN = range(len(COMPARTMENTS))
OUTSIDE = -1
_DENSITY = np.array([4700.0, 2900.0, 8600.0, 700.0, 0.0])
"""Nuclei per mm2 of each compartment at average crowding."""


@dataclass(frozen=True, eq=False)
class Tissue:
    """One section on a grid of `CELL_UM`; positions in um from its upper left corner."""

    compartment: Int[np.ndarray, "h w"]
    """Index into `COMPARTMENTS`, `OUTSIDE` off the tissue."""
    density: Float[np.ndarray, "h w"]
    """Expected nuclei per mm2."""
    patch: Int[np.ndarray, "h w"]
    """Index of the array position whose surroundings a cell belongs to."""
    motif: Int[np.ndarray, " K"]
    """Motif of each patch."""
    direction: Int[np.ndarray, " K"]
    """Direction of fibres and nuclei in each patch, in eighths of a turn."""
    array: Int[np.ndarray, "K 2"]
    """Row and column of each array position."""
    xy_um: Float[np.ndarray, "K 2"]
    in_tissue: Bool[np.ndarray, " K"]
    centre_um: Float[np.ndarray, " 2"]
    radius_um: float

    def cell_of(self, xy_um: Float[np.ndarray, "M 2"]) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the cell at each position."""
        column, row = (xy_um / CELL_UM).astype(np.int64).T
        h, w = self.compartment.shape
        return np.clip(row, 0, h - 1), np.clip(column, 0, w - 1)


def draw_tissue(
    mix: Float[np.ndarray, " 5"],
    n_spots: int,
    frequency: Float[np.ndarray, " motifs"],
    rng: np.random.Generator,
) -> Tissue:
    """Draw a section of about `n_spots` spots with the given share of each compartment."""
    radius_um = np.sqrt(n_spots * PITCH_UM**2 * np.sqrt(0.75) / np.pi)
    shape = _grid_shape(radius_um)
    inside, centre_um = _outline(shape, radius_um, rng)
    compartment = np.where(inside, _compartments(inside, mix, rng), OUTSIDE)
    array, xy_um = _array(shape)
    near = gaussian_filter(inside.astype(np.float32), 10.0 / CELL_UM)
    row, column = (xy_um[:, ::-1] / CELL_UM).astype(np.int64).T
    turn = 0.7 * smooth_field(rng, shape, 80.0 / CELL_UM)
    return Tissue(
        compartment=compartment,
        density=_density(compartment, rng),
        patch=_patches(shape, xy_um, rng),
        motif=rng.choice(N_MOTIFS, len(xy_um), p=frequency),
        direction=np.floor(4.0 * turn[row, column]).astype(np.int64) % 4,
        array=array,
        xy_um=xy_um,
        in_tissue=near[row, column] > 0.8,
        centre_um=centre_um,
        radius_um=float(radius_um),
    )


def motif_frequency(rng: np.random.Generator) -> Float[np.ndarray, " motifs"]:
    """Frequency of each motif: few common, many rare, every arrangement equally frequent."""
    others = list(MOTIF_SHAPE)
    others[2] = 1
    weight = 1.0 / (rng.permutation(int(np.prod(others))) + 1.5)
    weight = np.repeat(weight.reshape(others), MOTIF_SHAPE[2], axis=2).ravel()
    return weight / weight.sum()


def _grid_shape(radius_um: float) -> tuple[int, int]:
    h, w = (2.0 * (radius_um * stretch + _MARGIN_UM) for stretch in (0.95, 1.05))
    # whole blocks of 16 px at 0.5 um/px, so that no JPEG block is cut
    return int(np.ceil(h / 8.0)) * 4, int(np.ceil(w / 8.0)) * 4


def _outline(
    shape: tuple[int, int], radius_um: float, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "h w"], Float[np.ndarray, " 2"]]:
    y, x = (np.arange(n) * CELL_UM for n in shape)
    u = (x[None] - x.mean()) / (1.05 * radius_um)
    v = (y[:, None] - y.mean()) / (0.95 * radius_um)
    wobble = 0.06 * smooth_field(rng, shape, 80.0 / CELL_UM)
    wobble += 0.006 * smooth_field(rng, shape, 8.0 / CELL_UM)
    inside = np.sqrt(u**2 + v**2) + wobble < 1.0
    rows, columns = np.nonzero(inside)
    return inside, CELL_UM * np.array([columns.mean(), rows.mean()])


def _compartments(
    inside: Bool[np.ndarray, "h w"], mix: Float[np.ndarray, " 5"], rng: np.random.Generator
) -> Int[np.ndarray, "h w"]:
    def drawn(scale_um: float, rough: float) -> Float[np.ndarray, "h w"]:
        coarse = smooth_field(rng, inside.shape, scale_um / CELL_UM)
        return coarse + rough * smooth_field(rng, inside.shape, 12.0 / CELL_UM)

    plan = np.full(inside.shape, STROMA)
    nest, free = drawn(55.0, 0.25), inside.copy()
    for which, field in ((FAT, drawn(75.0, 0.1)), (INFILTRATE, drawn(45.0, 0.35)), (TUMOUR, nest)):
        area = mix[which] + (mix[LUMEN] if which == TUMOUR else 0.0)
        chosen = free & (field > _level(field[free], area * inside.sum() / max(free.sum(), 1)))
        plan[chosen] = which
        free &= ~chosen
    tumour = plan == TUMOUR
    hole = smooth_field(rng, inside.shape, 11.0 / CELL_UM) + 0.6 * nest
    if tumour.any():
        plan[tumour & (hole > _level(hole[tumour], mix[LUMEN] / (mix[TUMOUR] + mix[LUMEN])))] = (
            LUMEN
        )
    return plan


def _level(values: Float[np.ndarray, " cells"], share: float) -> float:
    """Threshold that `share` of the values exceed."""
    return float(np.quantile(values, 1.0 - min(share, 1.0))) if values.size else np.inf


def _density(
    compartment: Int[np.ndarray, "h w"], rng: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    crowd = np.exp(0.5 * smooth_field(rng, compartment.shape, 60.0 / CELL_UM))
    # at any density, tumour stays above 3,000 nuclei per mm2 and infiltrate above 6,000
    low = np.array([0.68, 0.3, 0.73, 0.3, 1.0])[compartment]
    high = np.array([1.65, 2.2, 1.35, 2.0, 1.0])[compartment]
    return np.where(compartment == OUTSIDE, 0.0, _DENSITY[compartment] * np.clip(crowd, low, high))


def _array(
    shape: tuple[int, int],
) -> tuple[Int[np.ndarray, "K 2"], Float[np.ndarray, "K 2"]]:
    """Hexagonal array as on a Visium slide: odd rows are shifted by half a pitch."""
    height, width = (n * CELL_UM for n in shape)
    step = PITCH_UM * np.sqrt(0.75)
    edge = DIAMETER_UM / 2.0 + 5.0
    rows = np.arange(int((height - 2.0 * edge) / step) + 1)
    columns = np.arange(int((width - 2.0 * edge) / (PITCH_UM / 2.0)) + 1)
    array = np.array([(r, c) for r in rows for c in columns if (r + c) % 2 == 0])
    return array, edge + array[:, ::-1] * np.array([PITCH_UM / 2.0, step])


def _patches(
    shape: tuple[int, int], xy_um: Float[np.ndarray, "K 2"], rng: np.random.Generator
) -> Int[np.ndarray, "h w"]:
    y, x = np.mgrid[: shape[0], : shape[1]] * CELL_UM
    warp = [9.0 * smooth_field(rng, shape, 16.0 / CELL_UM) for _ in range(2)]
    where = np.stack([x + warp[0], y + warp[1]], axis=-1)
    return cKDTree(xy_um).query(where.reshape(-1, 2))[1].reshape(shape)
