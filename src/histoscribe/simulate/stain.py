"""From ground plan and nuclei to an H&E image: stain maps, Beer-Lambert law, scanner."""

from itertools import product

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from histoscribe.simulate.families import motif_levels
from histoscribe.simulate.fields import block_mean, enlarge, smooth_field, texture
from histoscribe.simulate.nuclei import Nuclei
from histoscribe.simulate.patients import Patient
from histoscribe.simulate.tissue import CELL_UM, FAT, LUMEN, OUTSIDE, STROMA, Tissue

MPP = 0.5
"""um per px of every simulated image."""
_PER_CELL = int(CELL_UM / MPP)
_SIDE = 512
"""Px of a seamless texture: 256 um."""
_STRIP_PX = 32
"""Rows of an image that are computed at once; divides `_SIDE`."""
# units of each stain between the nuclei, and how strongly fibres modulate them
_CYTOPLASM = np.array([[0.26, 0.34], [0.05, 0.50], [0.18, 0.24], [0.03, 0.45], [0.1, 0.3]])
_FIBRE = np.array([0.16, 0.42, 0.20, 0.15, 0.2])
# mean units of each stain in a compartment, nuclei included
_MEAN_COLOUR = np.array([[0.50, 0.36], [0.30, 0.44], [0.60, 0.27], [0.20, 0.42], [0.4, 0.36]])
_GRAIN_UM = (1.0, 2.2)
"""Correlation length across the strands, of each grain."""
_CHROMATIN = ((1.1, 0.14), (2.4, 0.34))
"""Size in px and contrast of fine and of coarse chromatin."""
_UNEVEN = (0.06, 0.05)
"""How far lobes of two and of three push the edge of a nucleus, in radii."""
_EDGE_UM, _EDGE_FROM = 1.6 * MPP, 0.4
"""Width of the soft edge of a nucleus, and the share of it that lies outside."""
_DRIFT = 0.25
"""Deviation of the log of each stain over a section, as from uneven thickness."""
_WINDOW_UM = 26.0
"""Window over which the mean colour is fixed: about a spot."""


Gains = tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]
"""Factor of haematoxylin and of eosin in each cell of the ground plan."""


def render(
    tissue: Tissue,
    nuclei: Nuclei,
    patient: Patient,
    rng: np.random.Generator,
    gains: Gains | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw a section at `MPP`; `gains` multiply the optical density of each stain.

    The mean colour around each point is fixed by its compartment and by a drift of the stain, as
    from uneven thickness, so it reveals neither the density of nuclei nor the motif.
    """
    solid = _solid(tissue, rng)
    haematoxylin, eosin = _cytoplasm(tissue, rng)
    haematoxylin += _stamped(nuclei, haematoxylin.shape, rng)
    if gains is not None:
        haematoxylin *= enlarge(gains[0], _PER_CELL)
        eosin *= enlarge(gains[1], _PER_CELL)
    light = _transmitted(haematoxylin, eosin, patient)
    factor = _settled(light, solid, tissue, patient, (gains, rng))
    return _scanned(light, solid, factor, patient, rng)


def _solid(tissue: Tissue, rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """1 in tissue, 0 on glass, in a lumen or in a fat vacuole, with soft edges."""
    solid = ((tissue.compartment != OUTSIDE) & (tissue.compartment != LUMEN)).astype(np.float32)
    solid = gaussian_filter(solid, 0.8)
    fat = gaussian_filter((tissue.compartment == FAT).astype(np.float32), 1.0)
    solid = solid * (1.0 - _vacuoles(fat, rng))
    return np.clip((enlarge(solid, _PER_CELL) - 0.5) * 3.0 + 0.5, 0.0, 1.0)


def _vacuoles(fat: Float[np.ndarray, "h w"], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Share of a vacuole in each cell: that of fat inside a fat cell, 0 in the septa between.

    Fat cells are 45 um wide.
    """
    h, w = (side * CELL_UM for side in fat.shape)
    rows, columns = np.mgrid[-1 : h / 39 + 1, -1 : w / 45 + 1]
    seeds = np.stack([(columns + 0.5 * (rows % 2)) * 45.0, rows * 39.0], axis=-1).reshape(-1, 2)
    seeds += 7.0 * rng.standard_normal(seeds.shape)
    inside, share = np.nonzero(fat), np.zeros_like(fat)
    near = cKDTree(seeds).query(np.stack(inside[::-1], axis=-1) * CELL_UM, k=2)[0]
    wall = (near[:, 1] - near[:, 0]) / 2.0  # um to the wall between two cells
    share[inside] = fat[inside] * np.clip((wall - 0.2) / 1.6, 0.0, 1.0).astype(np.float32)
    return share


def _cytoplasm(
    tissue: Tissue, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "H W"], Float[np.ndarray, "H W"]]:
    kind = np.where(tissue.compartment == OUTSIDE, STROMA, tissue.compartment)
    fibre = _fibres(tissue, rng)
    strength = enlarge(gaussian_filter(_FIBRE[kind], 1.5), _PER_CELL)
    base = [enlarge(gaussian_filter(_CYTOPLASM[kind, s], 1.5), _PER_CELL) for s in (0, 1)]
    h, w = fibre.shape
    granules = np.tile(texture(rng, _SIDE, 1.3, 1.3, 0.0), (-(-h // _SIDE), -(-w // _SIDE)))
    fibre_and_granules = strength * fibre + 0.1 * granules[:h, :w]
    eosin = base[1] * np.clip(1.0 + fibre_and_granules, 0.05, 2.2)
    return base[0] * np.clip(1.0 - 0.5 * strength * fibre, 0.3, 2.0), eosin


def _fibres(tissue: Tissue, rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """Fibres along the orientation of each patch, with its grain, slightly waved.

    Drawn at 1 um/px and enlarged; the textures of neighbouring patches are blended over 8 um.
    """
    level, (h, w) = motif_levels(tissue.motif), tissue.patch.shape
    along, grain = tissue.direction, level.grain
    crossed = level.alignment == 1
    wave = [4.0 * smooth_field(rng, (h, w), 14.0 / CELL_UM) for _ in range(2)]
    y, x = (enlarge(field, 2).astype(np.int64) for field in wave)
    y, x = y + np.arange(2 * h)[:, None], x + np.arange(2 * w)
    at = (y % _SIDE) * _SIDE + x % _SIDE
    total = np.zeros((2 * h, 2 * w), dtype=np.float32)
    for eighth, (number, um) in product(range(4), enumerate(_GRAIN_UM)):
        strands = texture(rng, _SIDE, 8.0 * um, um, eighth * np.pi / 4.0).ravel()
        # without alignment, two sets of fibres cross at right angles
        straight, across = along == eighth, (along + 2) % 4 == eighth
        share = np.where(crossed, 0.85 * straight + 0.53 * across, straight)
        share = (share * (grain == number)).astype(np.float32)
        total += enlarge(gaussian_filter(share[tissue.patch], 2.0), 2) * strands.take(at)
    return enlarge(total, _PER_CELL // 2)


def _stamped(
    nuclei: Nuclei, shape: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "H W"]:
    """Haematoxylin of all nuclei: an uneven ellipse with a dark rim and clumped chromatin."""
    plane = np.zeros(shape[0] * shape[1], dtype=np.float64)
    chromatin = np.stack(
        [size * texture(rng, _SIDE, px, px, 0.0) for px, size in _CHROMATIN]
    ).ravel()
    reach = int(np.ceil(nuclei.semi_um.max() * 1.2 / MPP)) if len(nuclei.ink) else 1
    lobe = rng.uniform(0.0, 2.0 * np.pi, (len(nuclei.ink), 2))
    start = rng.integers(0, _SIDE * _SIDE, len(nuclei.ink))
    for first in range(0, len(nuclei.ink), 1000):
        these, dx, dy = _near(nuclei, slice(first, first + 1000), reach)
        ink = _sprites(nuclei, these, (dx, dy), lobe[these])
        hit = ink > 0.0
        these, dx, dy, ink = these[hit], dx[hit], dy[hit], ink[hit]
        at = (start[these] + dy * _SIDE + dx) % (_SIDE * _SIDE)
        at += nuclei.clumped[these] * (_SIDE * _SIDE)
        ink *= np.clip(1.0 + chromatin[at], 0.3, 1.7)
        x, y = (nuclei.xy_um / MPP).astype(np.int64).T
        column, row = x[these] + dx, y[these] + dy
        hit = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        np.add.at(plane, (row * shape[1] + column)[hit], ink[hit])
    return plane.reshape(shape).astype(np.float32)


def _near(
    nuclei: Nuclei, which: slice, reach: int
) -> tuple[Int[np.ndarray, " px"], Int[np.ndarray, " px"], Int[np.ndarray, " px"]]:
    """Px that may lie in these nuclei: number of the nucleus, x and y from its centre.

    `reach` is the largest x and y.
    """
    offset = np.arange(-reach, reach + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(offset, offset, indexing="ij"))
    far = dx**2 + dy**2
    order = np.argsort(far, kind="stable")
    long, short = nuclei.semi_um[which].T
    beyond = 1.0 + _EDGE_FROM * _EDGE_UM / np.sqrt(long * short)  # radii of an even ellipse
    most_px = 1.001 * long * beyond / (1.0 - sum(_UNEVEN)) / MPP
    n_near = np.searchsorted(far[order], most_px**2, side="right")
    first = np.cumsum(n_near) - n_near
    near = order[np.arange(n_near.sum()) - np.repeat(first, n_near)]
    return which.start + np.repeat(np.arange(len(n_near)), n_near), dx[near], dy[near]


def _sprites(
    nuclei: Nuclei,
    these: Int[np.ndarray, " px"],
    offset_px: tuple[Int[np.ndarray, " px"], Int[np.ndarray, " px"]],
    lobe: Float[np.ndarray, "px 2"],
) -> Float[np.ndarray, " px"]:
    """Haematoxylin of one nucleus at each px."""
    dx, dy = (offset * MPP for offset in offset_px)
    long, short = nuclei.semi_um[these].T
    cos, sin = np.cos(nuclei.angle)[these], np.sin(nuclei.angle)[these]
    u, v = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short
    around = np.arctan2(v, u)
    two, three = (n * around + lobe[:, n - 2] for n in (2, 3))
    uneven = _UNEVEN[0] * np.cos(two) + _UNEVEN[1] * np.cos(three)
    r = np.sqrt(u**2 + v**2) * (1.0 + uneven)
    edge = np.clip((1.0 - r) * np.sqrt(long * short) / _EDGE_UM + _EDGE_FROM, 0.0, 1.0)
    rim = np.exp(-(((r - 0.85) / 0.15) ** 2))
    return edge * nuclei.ink[these] * (0.78 + 0.35 * rim)


def _transmitted(
    haematoxylin: Float[np.ndarray, "H W"], eosin: Float[np.ndarray, "H W"], patient: Patient
) -> Float[np.ndarray, "3 H W"]:
    """Light that passes both stains, in red, green and blue (Beer-Lambert)."""
    (h, e), strength = patient.stain.astype(np.float32), patient.strength.astype(np.float32)
    light = np.empty((3, *haematoxylin.shape), dtype=np.float32)
    for rows in _strips(len(haematoxylin)):
        blue, pink = haematoxylin[rows], eosin[rows]
        pink = pink * (1.0 - 0.35 * np.minimum(blue, 1.0))
        for c in range(3):
            light[c, rows] = np.exp(-(strength[0] * h[c]) * blue - (strength[1] * e[c]) * pink)
    return light


def _settled(
    light: Float[np.ndarray, "3 H W"],
    solid: Float[np.ndarray, "H W"],
    tissue: Tissue,
    patient: Patient,
    drawn: tuple[Gains | None, np.random.Generator],
) -> Float[np.ndarray, "3 h w"]:
    """Factor per channel that brings the local mean of the light to its target."""
    gains, rng = drawn
    sigma = _WINDOW_UM / CELL_UM
    weight = block_mean(solid, _PER_CELL)
    total = gaussian_filter(weight, sigma) + 1e-3
    kind = np.where(tissue.compartment == OUTSIDE, STROMA, tissue.compartment)
    shape = tissue.compartment.shape
    wanted = np.zeros((3, *shape))
    for s in (0, 1):
        field = np.clip(smooth_field(rng, shape, 70.0 / CELL_UM), -2.0, 2.0)
        drift = np.exp(_DRIFT * field)
        if gains is not None:
            drift = drift * gains[s]
        units = gaussian_filter(_MEAN_COLOUR[kind, s] * weight, sigma) / total
        wanted += (patient.stain[s] * patient.strength[s])[:, None, None] * (units * drift)
    strips = [
        [block_mean(plane[rows] * solid[rows], _PER_CELL) for rows in _strips(len(solid))]
        for plane in light
    ]
    found = [gaussian_filter(np.concatenate(means), sigma) / total for means in strips]
    # nothing to correct outside the tissue
    return np.clip(np.exp(-wanted) / np.maximum(np.stack(found), 0.05), 0.35, 1.7)


def _scanned(
    light: Float[np.ndarray, "3 H W"],
    solid: Float[np.ndarray, "H W"],
    factor: Float[np.ndarray, "3 h w"],
    patient: Patient,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "H W 3"]:
    """Levels of the camera: light through the tissue and beside it, and noise."""
    h, w = solid.shape
    image = np.empty((h, w, 3), dtype=np.uint8)
    for channel in range(3):
        noise = patient.noise * rng.standard_normal((_SIDE, _SIDE)).astype(np.float32)
        noise = np.tile(noise, (1, -(-w // _SIDE)))[:, :w]
        white = np.float32(255.0 * patient.background[channel])
        for rows in _strips(h):
            cells = factor[channel, rows.start // _PER_CELL : rows.stop // _PER_CELL]
            through = light[channel, rows] * cells.repeat(_PER_CELL, 0).repeat(_PER_CELL, 1)
            value = np.minimum(1.0 - solid[rows] * (1.0 - through), 1.0) * white
            value += noise[rows.start % _SIDE :][: len(value)]
            image[rows, :, channel] = np.clip(np.rint(value), 0, 255)
    return image


def _strips(n_rows: int) -> list[slice]:
    """Rows to compute at once: they stay in the cache of a processor."""
    return [slice(first, min(first + _STRIP_PX, n_rows)) for first in range(0, n_rows, _STRIP_PX)]
