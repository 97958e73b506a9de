"""From ground plan and nuclei to an H&E image: stain maps, Beer-Lambert law, scanner."""

from itertools import product

import numpy as np
from jaxtyping import Float, UInt8
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
# units of each stain between the nuclei, and how strongly fibres modulate them
_CYTOPLASM = np.array([[0.26, 0.34], [0.05, 0.50], [0.18, 0.24], [0.03, 0.45], [0.1, 0.3]])
_FIBRE = np.array([0.16, 0.42, 0.20, 0.15, 0.2])
# mean units of each stain in a compartment, nuclei included
_MEAN_COLOUR = np.array([[0.50, 0.36], [0.30, 0.44], [0.60, 0.27], [0.20, 0.42], [0.4, 0.36]])
_GRAIN_UM = (1.0, 2.2)
"""Correlation length across the strands, of each grain."""
_CHROMATIN = ((1.1, 0.14), (2.4, 0.34))
"""Size in px and contrast of fine and of coarse chromatin."""
_DRIFT = 0.25
"""Deviation of the log of each stain over a section, as from uneven thickness."""
_WINDOW_UM = 26.0
"""Window over which the mean colour is fixed: about a spot."""


def render(
    tissue: Tissue, nuclei: Nuclei, patient: Patient, rng: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw a section at `MPP`.

    The mean colour around each point is fixed by its compartment and by a drift of the stain, as
    from uneven thickness, so it reveals neither the density of nuclei nor the motif.
    """
    solid = _solid(tissue, rng)
    haematoxylin, eosin = _cytoplasm(tissue, rng)
    haematoxylin += _stamped(nuclei, haematoxylin.shape, rng)
    light = _transmitted(
        haematoxylin, eosin * (1.0 - 0.35 * np.minimum(haematoxylin, 1.0)), patient
    )
    gain = _settled(light, solid, tissue, patient, rng)
    for channel in range(3):
        through = light[channel] * np.repeat(
            np.repeat(gain[channel], _PER_CELL, axis=0), _PER_CELL, axis=1
        )
        light[channel] = 1.0 - solid * (1.0 - through)
    return _scanned(light, patient, rng)


def _solid(tissue: Tissue, rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """1 in tissue, 0 on glass, in a lumen or in a fat vacuole, with soft edges."""
    solid = ((tissue.compartment != OUTSIDE) & (tissue.compartment != LUMEN)).astype(np.float32)
    solid = gaussian_filter(solid, 0.8)
    fat = gaussian_filter((tissue.compartment == FAT).astype(np.float32), 1.0)
    solid = solid * (1.0 - fat * _vacuoles(tissue.compartment.shape, rng))
    return np.clip((enlarge(solid, _PER_CELL) - 0.5) * 3.0 + 0.5, 0.0, 1.0)


def _vacuoles(shape: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """1 inside a fat cell, 0 in the septa between; cells are 45 um wide."""
    y, x = np.mgrid[: shape[0], : shape[1]] * CELL_UM
    rows, columns = np.mgrid[-1 : shape[0] * CELL_UM / 39 + 1, -1 : shape[1] * CELL_UM / 45 + 1]
    seeds = np.stack([(columns + 0.5 * (rows % 2)) * 45.0, rows * 39.0], axis=-1).reshape(-1, 2)
    seeds += 7.0 * rng.standard_normal(seeds.shape)
    near = cKDTree(seeds).query(np.stack([x, y], axis=-1).reshape(-1, 2), k=2)[0]
    wall = (near[:, 1] - near[:, 0]).reshape(shape) / 2.0  # um to the wall between two cells
    return np.clip((wall - 0.2) / 1.6, 0.0, 1.0).astype(np.float32)


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
        share = (share * (grain == number))[tissue.patch]
        share = gaussian_filter(share.astype(np.float32), 2.0)
        total += enlarge(share, 2) * strands[at]
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
    offset = np.arange(-reach, reach + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(offset, offset, indexing="ij"))
    lobe = rng.uniform(0.0, 2.0 * np.pi, (len(nuclei.ink), 2))
    start = rng.integers(0, _SIDE * _SIDE, len(nuclei.ink))
    for first in range(0, len(nuclei.ink), 1000):
        these = slice(first, first + 1000)
        ink = _sprites(nuclei, these, (dx, dy), lobe[these])
        at = (start[these, None] + dy * _SIDE + dx) % (_SIDE * _SIDE)
        at += nuclei.clumped[these, None] * (_SIDE * _SIDE)
        ink *= np.clip(1.0 + chromatin[at], 0.3, 1.7)
        x, y = (nuclei.xy_um[these] / MPP).astype(np.int64).T
        column, row = x[:, None] + dx, y[:, None] + dy
        hit = (ink > 0.0) & (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        np.add.at(plane, (row * shape[1] + column)[hit], ink[hit])
    return plane.reshape(shape).astype(np.float32)


def _sprites(
    nuclei: Nuclei,
    these: slice,
    offset_px: tuple[np.ndarray, np.ndarray],
    lobe: Float[np.ndarray, "m 2"],
) -> Float[np.ndarray, "m px"]:
    dx, dy = (offset[None] * MPP for offset in offset_px)
    long, short = nuclei.semi_um[these].T[..., None]
    cos, sin = np.cos(nuclei.angle[these, None]), np.sin(nuclei.angle[these, None])
    u, v = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short
    around = np.arctan2(v, u)
    uneven = 0.06 * np.cos(2.0 * around + lobe[:, :1]) + 0.05 * np.cos(3.0 * around + lobe[:, 1:])
    r = np.sqrt(u**2 + v**2) * (1.0 + uneven)
    edge = np.clip((1.0 - r) * np.sqrt(long * short) / (1.6 * MPP) + 0.4, 0.0, 1.0)
    rim = np.exp(-(((r - 0.85) / 0.15) ** 2))
    return edge * nuclei.ink[these, None] * (0.78 + 0.35 * rim)


def _transmitted(
    haematoxylin: Float[np.ndarray, "H W"], eosin: Float[np.ndarray, "H W"], patient: Patient
) -> list[Float[np.ndarray, "H W"]]:
    """Light that passes both stains, in red, green and blue (Beer-Lambert)."""
    (h, e), strength = patient.stain.astype(np.float32), patient.strength.astype(np.float32)
    return [
        np.exp(-(strength[0] * h[c]) * haematoxylin - (strength[1] * e[c]) * eosin)
        for c in range(3)
    ]


def _settled(
    light: list[Float[np.ndarray, "H W"]],
    solid: Float[np.ndarray, "H W"],
    tissue: Tissue,
    patient: Patient,
    rng: np.random.Generator,
) -> Float[np.ndarray, "3 h w"]:
    """Factor per channel that brings the local mean of the light to its target."""
    sigma = _WINDOW_UM / CELL_UM
    weight = block_mean(solid, _PER_CELL)
    total = gaussian_filter(weight, sigma) + 1e-3
    kind = np.where(tissue.compartment == OUTSIDE, STROMA, tissue.compartment)
    shape = tissue.compartment.shape
    wanted = np.zeros((3, *shape))
    for s in (0, 1):
        field = np.clip(smooth_field(rng, shape, 70.0 / CELL_UM), -2.0, 2.0)
        drift = np.exp(_DRIFT * field)
        units = gaussian_filter(_MEAN_COLOUR[kind, s] * weight, sigma) / total
        wanted += (patient.stain[s] * patient.strength[s])[:, None, None] * (units * drift)
    found = [
        gaussian_filter(block_mean(plane * solid, _PER_CELL), sigma) / total for plane in light
    ]
    # nothing to correct outside the tissue
    return np.clip(np.exp(-wanted) / np.maximum(np.stack(found), 0.05), 0.35, 1.7)


def _scanned(
    light: list[Float[np.ndarray, "H W"]], patient: Patient, rng: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    h, w = light[0].shape
    image = np.empty((h, w, 3), dtype=np.uint8)
    for channel in range(3):
        noise = patient.noise * rng.standard_normal((_SIDE, _SIDE)).astype(np.float32)
        noise = np.tile(noise, (-(-h // _SIDE), -(-w // _SIDE)))[:h, :w]
        value = np.minimum(light[channel], 1.0) * np.float32(255.0 * patient.background[channel])
        image[..., channel] = np.clip(np.rint(value + noise), 0, 255)
    return image
