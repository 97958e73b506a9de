"""Rows and columns of a printed array against the positions of its spots on the image.

On an image as scanned, columns run to the right and rows down. The image may be turned. Mirrored it
is only where it was taken through the glass (an inverted microscope), which Space Ranger 2 and
later allow. Far more often x and y were exchanged, or y was counted from below, and then every
spot has the pixels of another one.
"""

import numpy as np
from jaxtyping import Float

from histoscribe.errors import Problem
from histoscribe.io.sections.source import Source
from histoscribe.io.slides.resolution import lattice_steps

_LEAST_FIT = 0.8
"""Least share of the variance of positions that rows and columns explain. Spots that were nudged by
hand (her2st) have more than 0.99, of another section's array less than 0.1."""
_YES = ("yes", "true", "1")
_NO = ("", "no", "false", "0")

_Pairs = Float[np.ndarray, "N 2"]


def said_mirrored(source: Source) -> bool:
    """Whether the manifest says that the image is a mirror image of the array."""
    return source.facts.get("mirrored", "").strip().lower() in _YES


def is_mirrored(array: _Pairs, xy: _Pairs) -> bool | None:
    """Whether columns to the right and rows down become mirrored on the image.

    `array` holds row and column of each spot. None where they cannot tell: fewer than four spots,
    or spots on one line.
    """
    steps = _steps(array, xy)
    return None if steps is None else bool(np.linalg.det(steps) < 0)


def turn_problem(array: _Pairs, xy: _Pairs, source: Source) -> Problem | None:
    """Check array against positions: mirrored or unrelated ones give a problem."""
    said = source.facts.get("mirrored", "").strip().lower()
    if said not in (*_YES, *_NO):
        return Problem(source.where, f"mirrored {said!r}", "yes, no or nothing", "correct the cell")
    steps = _steps(array, xy)
    if steps is None:
        return None
    share = _explained(array, xy)
    if share < _LEAST_FIT:
        return _unrelated(source.where, share)
    mirrored = bool(np.linalg.det(steps) < 0)
    if mirrored == (said in _YES):
        return None
    return _mirrored(source.where, steps) if mirrored else _not_mirrored(source.where)


def _steps(array: _Pairs, xy: _Pairs) -> Float[np.ndarray, "2 2"] | None:
    """Px in x and y per column (row 0) and per row (row 1)."""
    if len(array) < 4 or min(_rank(array), _rank(xy)) < 2:
        return None
    return lattice_steps(array[:, ::-1], xy)


def _rank(points: _Pairs) -> int:
    return int(np.linalg.matrix_rank(points - points.mean(axis=0)))


def _explained(array: _Pairs, xy: _Pairs) -> float:
    """Share of the variance of positions that a straight map of rows and columns explains."""
    design = np.column_stack([array, np.ones(len(array))])
    rest = xy - design @ np.linalg.lstsq(design, xy, rcond=None)[0]
    return 1.0 - float((rest**2).sum() / ((xy - xy.mean(axis=0)) ** 2).sum())


def _unrelated(where: str, share: float) -> Problem:
    return Problem(
        where=where,
        found="the positions do not follow the rows and columns of the array, which explain "
        f"{100 * max(share, 0.0):.0f} % of their variance",
        expected="x and y that grow evenly with rows and columns",
        remedy="give positions and array of the same section, each spot under its barcode",
    )


def _mirrored(where: str, steps: Float[np.ndarray, "2 2"]) -> Problem:
    (x_column, y_column), (x_row, y_row) = np.round(steps, 3) + 0.0  # no -0
    if abs(x_column) + abs(y_row) < abs(y_column) + abs(x_row):
        found, fit = "x follows the rows and y the columns", "x and y exchanged"
    elif x_column < 0:
        found, fit = "x falls while the columns grow", "width - x for x"
    else:
        found, fit = "y falls while the rows grow", "height - y for y"
    return Problem(
        where=where,
        found=f"the array is mirrored on the image: {found} (per column {x_column:.4g} px in x and "
        f"{y_column:.4g} in y, per row {x_row:.4g} and {y_row:.4g}). It fits with {fit}",
        expected="an array that is turned on its image, not mirrored: columns to the right and "
        "rows down",
        remedy="correct the positions in the file; if the image was taken as a mirror image (the "
        "overlay of `histoscribe check --out DIR` shows it), write yes in the column `mirrored` of "
        "the manifest",
    )


def _not_mirrored(where: str) -> Problem:
    return Problem(
        where=where,
        found="mirrored 'yes' for an array that is not mirrored on the image",
        expected="yes only where the image is a mirror image of the array",
        remedy="empty the column `mirrored` of the manifest",
    )
