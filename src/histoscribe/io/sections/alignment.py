"""Alignment of an H&E image to the data of Xenium: the 3 x 3 matrix of Xenium Explorer.

The matrix takes px of the full-resolution H&E image (x right, y down, 0 at the corner of the image)
to px of the morphology image, which are `pixel_size` um wide and count from the corner where the
um of cells and transcripts begin. Source: 10x Genomics, "How can I convert coordinates between H&E
image and Xenium data?" (kb.10xgenomics.com, article 35386990499853).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_text
from histoscribe.io.sections.table import broken
from histoscribe.io.slides.resolution import uneven

ALIGNMENT_END = "imagealignment.csv"
"""End of the names of alignment files of 10x Genomics: `NAME_he_imagealignment.csv`."""
_IMAGE_END = re.compile(r"(\.ome)?\.(tiff?|btf|png|jpe?g|svs|ndpi)$", re.IGNORECASE)
_OF_XENIUM = ("morphology", "ch0")
_EXPECTED = "three lines of three numbers, the last 0, 0, 1: the transformation matrix of Xenium"
_LEAST_UM = 1e-6


@dataclass(frozen=True, eq=False)
class ImageAlignment:
    """Places of Xenium data on the H&E image."""

    to_px: Float[np.ndarray, "2 3"]
    """Map from um of the Xenium data to px of the H&E image."""
    mpp: float
    """Um per px of the H&E image, as the matrix scales it."""
    what: str
    """Description for a note."""


def read_alignment(path: Path, pixel_um: float) -> ImageAlignment:
    """Read the matrix from H&E px to px of `pixel_um`, and turn it round.

    Raises
    ------
    DataContractError
        for anything but a matrix of 3 x 3 numbers that can be turned round, and for one that
        stretches the image by more than 5 % in one direction.
    """
    matrix = _matrix(path)
    turn = matrix[:2, :2]
    long_um, short_um = (np.linalg.svd(turn, compute_uv=False) * pixel_um).tolist()
    if short_um < _LEAST_UM:
        raise broken(path, "a matrix that maps the image to a line or point", _EXPECTED)
    if long_um > 1.05 * short_um:
        raise DataContractError(uneven(str(path), long_um, short_um))
    to_px = np.linalg.inv(matrix)[:2] @ np.diag([1 / pixel_um, 1 / pixel_um, 1.0])
    return ImageAlignment(
        np.ascontiguousarray(to_px),
        float(np.sqrt(long_um * short_um)),
        f"{path.name}: to lie on the Xenium data, the H&E image is {_turned(turn)}",
    )


def identical(mpp: float) -> ImageAlignment:
    """Alignment of an image with the corner and the axes of the Xenium data."""
    to_px = np.array([[1 / mpp, 0.0, 0.0], [0.0, 1 / mpp, 0.0]])
    return ImageAlignment(to_px, mpp, "the manifest says that the H&E image is aligned")


def alignment_files(image: Path, folders: Sequence[Path]) -> list[Path]:
    """Alignment files of 10x Genomics in some folders: that of the image, else all of no image.

    Files of no image count only in folders without other H&E images: theirs they may be.
    """
    listed = (sorted(folder.iterdir()) for folder in folders if folder.is_dir())
    files = dict.fromkeys(path for paths in listed for path in paths)
    stems = {_stem(path) for path in files if _IMAGE_END.search(path.name)}
    found = {path: _stem(path) for path in files if path.name.lower().endswith(ALIGNMENT_END)}
    of_image = [path for path, stem in found.items() if stem == _stem(image)]
    others = {
        path.parent
        for path in files
        if _IMAGE_END.search(path.name) and _stem(path) != _stem(image) and not of_instrument(path)
    }
    loose = [path for path, stem in found.items() if stem not in stems]
    return of_image or [path for path in loose if path.parent not in others]


def of_instrument(image: Path) -> bool:
    """Whether an image has the name of one that the instrument makes."""
    return image.name.lower().startswith(_OF_XENIUM)


def no_alignment(where: str, files: Sequence[Path]) -> Problem:
    """Problem of an image without exactly one alignment file."""
    names = ", ".join(path.name for path in files)
    return Problem(
        where=where,
        found=f"{len(files)} alignment files of the H&E image: {names}"
        if files
        else "no alignment of the H&E image (*_imagealignment.csv), and an H&E image of Xenium is "
        "scanned apart: without one, every cell would get the pixels of another place",
        expected="the matrix of Xenium Explorer that places the H&E image on the Xenium data",
        remedy="name the file in the column `alignment` of the manifest (Xenium Explorer exports "
        "it once the image is aligned there), or write `yes` in the column `aligned` if the image "
        "begins at the corner of the morphology image and has its axes",
    )


def _stem(path: Path) -> str:
    """Name of an image, or of the image that an alignment file is named after."""
    return _IMAGE_END.sub("", path.name.lower().removesuffix("alignment.csv"))


def _matrix(path: Path) -> Float[np.ndarray, "3 3"]:
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    cells = [re.split(r"[,;\t]", line.strip()) for line in lines]
    try:
        matrix = np.array([[float(cell) for cell in row] for row in cells[:4]], dtype=np.float64)
    except ValueError:  # words, or lines of different lengths
        matrix = np.empty((0, 0))
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        points = ": these may be its landmarks (keypoints.csv)" if len(lines) > 3 else ""
        raise broken(path, f"no matrix of 3 x 3 numbers{points}", f"{_EXPECTED} Explorer")
    if not np.allclose(matrix[2], (0.0, 0.0, 1.0), rtol=0, atol=1e-9):
        raise broken(path, f"a last line of {matrix[2].tolist()}", f"{_EXPECTED} Explorer")
    return matrix


def _turned(turn: Float[np.ndarray, "2 2"]) -> str:
    """Say how the image is turned; y runs down, so a positive angle turns clockwise."""
    mirrored = np.linalg.det(turn) < 0
    plain = turn @ np.diag([-1.0, 1.0]) if mirrored else turn
    angle = np.degrees(np.arctan2(plain[1, 0] - plain[0, 1], plain[0, 0] + plain[1, 1]))
    sense = "clockwise" if angle >= 0 else "counter-clockwise"
    said = f"turned by {abs(angle):.1f} degrees {sense}"
    return f"mirrored left to right, then {said}" if mirrored else f"{said}, not mirrored"
