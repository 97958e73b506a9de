"""Landmarks of two slides, and the affine map between the slides that fits them best."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Number
from histoscribe.io.sections.delimited import read_positions

COLUMNS = ("x", "y", "x2", "y2")
_LEAST = 3  # an affine map has six numbers, a landmark gives two
_FLAT = 0.02  # width over length of the landmarks, below which they count as one line
_STRETCH = 1.1  # serial sections are pressed by less in one direction
_MIRRORED = "The landmarks mirror the second image: its section lies with the other side up."


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """Places of one slide as places of another, level-0 px to level-0 px."""

    matrix: Float[np.ndarray, "2 2"]
    shift: Float[np.ndarray, " 2"]

    @classmethod
    def scaling(cls, x: float, y: float) -> "Affine":
        """Stretch both axes, without turn or shift."""
        return cls(np.diag([x, y]).astype(np.float64), np.zeros(2))

    def __call__(self, xy: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Places on the other slide."""
        return xy @ self.matrix.T + self.shift

    @property
    def inverse(self) -> "Affine":
        """The way back."""
        matrix = np.linalg.inv(self.matrix)
        return Affine(matrix, -matrix @ self.shift)

    @property
    def scale(self) -> float:
        """Px of the other slide per px: the root of the ratio of areas."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def stretch(self) -> float:
        """How much more it enlarges along one direction than across it, at least 1."""
        long, short = np.linalg.svd(self.matrix, compute_uv=False)
        return float(long / short)

    @property
    def is_mirrored(self) -> bool:
        """Whether it turns the image over."""
        return bool(np.linalg.det(self.matrix) < 0)


@final
@dataclass(frozen=True, eq=False)
class Landmarks:
    """The same places in two images, in level-0 px of each."""

    path: Path
    first: Float[np.ndarray, "M 2"]
    second: Float[np.ndarray, "M 2"]


@final
@dataclass(frozen=True, eq=False)
class Alignment:
    """An affine map fitted to landmarks, with its errors in um on the first slide."""

    affine: Affine
    n_landmarks: int
    residual_um: float
    """Root mean square distance of landmarks from their places; 0 for three, which always fit."""
    left_out_um: float
    """The same for landmarks left out of the fit in turn; NaN where the others fix no map."""

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Both errors as numbers."""
        words = f"of {self.n_landmarks} landmarks from their places after the affine map, um (rms)"
        return (
            Number("residual_um", self.residual_um, f"distance {words}"),
            Number(
                "left_out_um",
                self.left_out_um,
                f"distance {words}, each left out of the fit in turn",
            ),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the landmarks leave open."""
        affine = self.affine
        left_out = f", {self.left_out_um:.1f} um where left out of the fit in turn"
        notes = [
            f"{self.n_landmarks} landmarks were aligned by an affine map; they lie "
            f"{self.residual_um:.1f} um (rms) from their places"
            f"{'' if np.isnan(self.left_out_um) else left_out}. Bending and tears of a section "
            "between landmarks are not corrected."
        ]
        if self.n_landmarks == _LEAST:
            notes.append(
                "Three landmarks always fit exactly: the residual says nothing about the "
                "alignment. Give six or more."
            )
        if affine.is_mirrored:
            notes.append(_MIRRORED)
        if affine.stretch > _STRETCH:
            notes.append(
                f"The landmarks stretch one direction {affine.stretch:.2f} times as much as the "
                "other: check that both images have square pixels and that no landmark is wrong."
            )
        return tuple(notes)


def read_landmarks(path: Path) -> Landmarks:
    """Read a table with the columns x, y (the section's image) and x2, y2 (the other image).

    Raises
    ------
    DataContractError
        for a table that cannot be read, gaps, fewer than three landmarks, and landmarks on one
        line in either image, which fix no affine map.
    """
    table = read_positions(path, COLUMNS)[list(COLUMNS)].to_numpy(np.float64)
    first, second = table[:, :2], table[:, 2:]
    if len(table) < _LEAST:
        found = f"{len(table)} landmark{'s' if len(table) != 1 else ''}"
        raise DataContractError(_unusable(path, found))
    flat = [
        f"all landmarks lie on one line in {columns}"
        for columns, xy in (("x, y", first), ("x2, y2", second))
        if _flatness(xy) < _FLAT
    ]
    if flat:
        raise DataContractError([_unusable(path, found) for found in flat])
    return Landmarks(path, first, second)


def align(landmarks: Landmarks, mpp: float) -> Alignment:
    """Fit the affine map by least squares; `mpp` is um per px of the first image."""
    first, second = landmarks.first, landmarks.second
    affine = fit_affine(first, second)
    error = np.linalg.norm(affine(first) - second, axis=1)
    um = error * mpp / affine.scale
    # least squares without a point err by e / (1 - h) there, h being its leverage
    design = np.column_stack([first - first.mean(axis=0), np.ones(len(first))])
    leverage = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
    spare = 1.0 - leverage
    fixed = len(first) > _LEAST and spare.min() > 1e-6
    left_out = float(np.sqrt(np.mean((um / spare) ** 2))) if fixed else float("nan")
    return Alignment(affine, len(first), float(np.sqrt(np.mean(um**2))), left_out)


def fit_affine(first: Float[np.ndarray, "M 2"], second: Float[np.ndarray, "M 2"]) -> Affine:
    """Affine map from the first to the second places with the least squared distance."""
    centre, target = first.mean(axis=0), second.mean(axis=0)
    solution = np.linalg.lstsq(first - centre, second - target, rcond=None)[0]
    matrix = np.ascontiguousarray(solution.T)
    return Affine(matrix, target - matrix @ centre)


def check_inside(
    landmarks: Landmarks, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> list[Problem]:
    """Say how many landmarks lie outside of the first or the second image (width, height)."""
    problems = []
    for columns, xy, (width, height) in zip(
        ("x, y", "x2, y2"), (landmarks.first, landmarks.second), sizes, strict=True
    ):
        outside = ((xy < 0) | (xy > (width, height))).any(axis=1)
        if outside.any():
            problems.append(
                Problem(
                    where=f"landmarks {landmarks.path}",
                    found=f"{outside.sum()} of {len(xy)} outside of the image in {columns}",
                    expected=f"places within {width} x {height} px, in full-resolution px",
                    remedy="give px, not um, and x, y of the section's image before x2, y2 of the "
                    "other",
                )
            )
    return problems


def _flatness(xy: Float[np.ndarray, "M 2"]) -> float:
    """Width over length of the landmarks; 0 where all lie on one line or in one place."""
    long, short = np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)
    return float(short / long) if long > 0 else 0.0


def _unusable(path: Path, found: str) -> Problem:
    return Problem(
        where=f"landmarks {path}",
        found=found,
        expected="at least three landmarks that do not lie on one line, in columns x, y, x2, y2 "
        "(full-resolution px)",
        remedy="mark the same three places or more in both images, far apart; six or more show "
        "how well they fit",
    )
