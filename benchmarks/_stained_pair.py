"""A second, immunohistochemically stained slide for a simulated section, with landmarks.

The tumour of the ground plan is stained brown. The picture keeps the haematoxylin of the H&E, loses
its eosin, and lies turned, shifted and bent on a slide of another size. It is the same slice of
tissue, so it is closer to its H&E than any serial section.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates, zoom
from skimage.color import rgb_from_hdx, rgb_from_hed

from histoscribe.explain.where.against.landmarks import Affine
from histoscribe.seed import stream
from histoscribe.simulate.fields import smooth_field
from histoscribe.simulate.patients import draw_patient
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tissue import CELL_UM, OUTSIDE, TUMOUR, draw_tissue, motif_frequency

STAINED, UNSTAINED = 0.5, 0.04
"""Optical density of DAB in tumour and in other tissue."""
_VECTOR_NOISE = 0.02
"""Deviation of the colour of both stains from the vectors that unmixing assumes."""
_MARGIN_PX = 60
_GLASS = 243.0


@dataclass(frozen=True, kw_only=True)
class PairSettings:
    """How the second slide lies, and how well its landmarks were set."""

    degrees: float = 24.0
    is_mirrored: bool = False
    mpp: float = 0.6
    """um per px of the second slide."""
    bend_um: float = 0.0
    """Deviation of a smooth bending that no affine map corrects."""
    landmark_um: float = 0.0
    """Deviation of each landmark from its place, in each direction."""
    n_landmarks: int = 6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class StainedPair:
    """Files of the second slide, and the truth."""

    image: Path
    points: Path
    affine: Affine
    """From px of the H&E to px of the second slide, without the bending."""
    density: Float[np.ndarray, "height width"]
    """Optical density of DAB on the H&E's grid, px of 2 um."""
    tissue: Bool[np.ndarray, "height width"]

    def of_spots(self, xy: Float[np.ndarray, "N 2"], radius_um: float) -> Float[np.ndarray, " N"]:
        """Mean density over the tissue within a radius of each place (px of the H&E)."""
        y, x = np.mgrid[: self.density.shape[0], : self.density.shape[1]] * CELL_UM + CELL_UM / 2
        means = []
        for column, row in xy * MPP:
            near = (np.hypot(x - column, y - row) <= radius_um) & self.tissue
            means.append(self.density[near].mean() if near.any() else np.nan)
        return np.array(means)


def stained_pair(
    out: Path, image: Path, section: str, n_spots: int, cohort_seed: int, settings: PairSettings
) -> StainedPair:
    """Write the second slide of the first section of a patient, e.g. `P1S1`, and its landmarks.

    `n_spots` and `cohort_seed` are those that the cohort was simulated with.
    """
    rng = stream(settings.seed, f"stained-pair-{section}")
    patient = draw_patient(section.split("S")[0], cohort_seed)
    plan = draw_tissue(
        patient.mix,
        n_spots,
        motif_frequency(stream(cohort_seed, "motifs")),
        stream(cohort_seed, f"tissue-{section}"),
    )
    tissue = plan.compartment != OUTSIDE
    tumour = gaussian_filter((plan.compartment == TUMOUR).astype(float), 1.0)
    uneven = 1.0 + 0.25 * np.clip(smooth_field(rng, tissue.shape, 40.0), -2, 2)
    density = np.where(tissue, UNSTAINED + (STAINED - UNSTAINED) * tumour * uneven, 0.0)
    with Image.open(image) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    haematoxylin = _haematoxylin(pixels)
    fine = zoom(density, np.divide(haematoxylin.shape, density.shape), order=1)
    affine, size = _placed(pixels.shape[1], pixels.shape[0], settings)
    written = _stained(0.8 * haematoxylin, fine, affine, size, (settings, rng))
    out.mkdir(parents=True, exist_ok=True)
    pair = StainedPair(out / "ihc.png", out / "points.csv", affine, density, tissue)
    Image.fromarray(written).save(pair.image, dpi=(25_400 / settings.mpp,) * 2)
    _landmarks(pair, plan.xy_um[plan.in_tissue] / MPP, settings, rng)
    return pair


def _haematoxylin(pixels: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W"]:
    density = -np.log10((pixels.astype(np.float32) + 1) / 256)
    stain = (density @ np.linalg.pinv(rgb_from_hed[:2]))[..., 0]
    return np.maximum(stain - np.percentile(stain, 2), 0.0)  # the tint of the glass is no stain


def _placed(width: int, height: int, settings: PairSettings) -> tuple[Affine, tuple[int, int]]:
    """Affine map to the second slide, and the slide's size that holds the whole section."""
    angle, scale = np.deg2rad(settings.degrees), MPP / settings.mpp
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * turn @ np.diag([-1.0 if settings.is_mirrored else 1.0, 1.0])
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)]) @ matrix.T
    shift = _MARGIN_PX - corners.min(axis=0)
    right, bottom = np.ceil(corners.max(axis=0) + shift + _MARGIN_PX).astype(int)
    return Affine(matrix, shift), (int(right), int(bottom))


def _stained(
    haematoxylin: Float[np.ndarray, "H W"],
    dab: Float[np.ndarray, "H W"],
    affine: Affine,
    size: tuple[int, int],
    draw: tuple[PairSettings, np.random.Generator],
) -> UInt8[np.ndarray, "h w 3"]:
    """Light through both stains, by the law of Beer and Lambert."""
    settings, rng = draw
    width, height = size
    grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    place = affine.inverse(grid.reshape(-1, 2)).reshape(height, width, 2)
    coarse = (-(-height // 8), -(-width // 8))
    for axis in range(2):
        bend = smooth_field(rng, coarse, 300.0 / (8 * settings.mpp))
        fine = zoom(bend, np.divide((height, width), coarse), order=1)
        place[..., axis] += settings.bend_um / MPP * fine
    at = [place[..., 1] - 0.5, place[..., 0] - 0.5]
    stains = np.stack([map_coordinates(plane, at, order=1) for plane in (haematoxylin, dab)], -1)
    vectors = rgb_from_hdx[:2] + _VECTOR_NOISE * rng.standard_normal((2, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    light = _GLASS * 10.0 ** -(stains @ vectors)
    return np.clip(np.rint(light + rng.standard_normal(light.shape)), 0, 255).astype(np.uint8)


def _landmarks(
    pair: StainedPair,
    spots_px: Float[np.ndarray, "N 2"],
    settings: PairSettings,
    rng: np.random.Generator,
) -> None:
    """Landmarks far apart: each is the spot farthest from those before it."""
    rows = [int(np.argmin(spots_px.sum(axis=1)))]
    while len(rows) < settings.n_landmarks:
        near = np.linalg.norm(spots_px[:, None] - spots_px[rows], axis=2).min(axis=1)
        rows.append(int(near.argmax()))
    first = spots_px[rows]
    second = pair.affine(first)
    second += settings.landmark_um / settings.mpp * rng.standard_normal(second.shape)
    table = pd.DataFrame(np.column_stack([first, second]), columns=["x", "y", "x2", "y2"])
    table.to_csv(pair.points, index=False)
