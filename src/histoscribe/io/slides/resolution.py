"""Um per px of an image, from its metadata, the spot pitch or the user, and cross-checked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from histoscribe.errors import DataContractError, Problem

ORIGINS = ("user", "metadata", "pitch", "table")
"""Where a um/px may come from, the most trusted first."""


@dataclass(frozen=True)
class Resolutions:
    """What each origin says of one image, in um/px; None where it says nothing."""

    user: float | None
    metadata: float | None
    pitch: float | None
    table: float | None = None
    """A published table of samples, e.g. `pixel_size_um_estimated` of HEST-1k."""

    def settle(self, where: str, believe: str | None) -> tuple[float, str]:
        """Settle on one um/px and say, in words, where it came from.

        Values that differ by more than 5 % stop the run, unless `believe` names the origin to
        trust (column `mpp_from` of the manifest). Raises DataContractError then, or where no
        origin knows.
        """
        known = {name: value for name in ORIGINS if (value := getattr(self, name)) is not None}
        if not known or (believe is not None and believe not in known):
            raise DataContractError(_unknown(where, believe))
        said = ", ".join(f"{value:.4g} from {_IN_WORDS[name]}" for name, value in known.items())
        if believe is None and max(known.values()) > 1.05 * min(known.values()):
            raise DataContractError(_disagree(where, said))
        name = believe or next(iter(known))
        return known[name], f"{known[name]:.4g} um/px ({said})"


_IN_WORDS = {
    "user": "the manifest",
    "metadata": "the image",
    "pitch": "the spot pitch",
    "table": "the metadata table",
}


def nearest_px(xy: Float[np.ndarray, "N 2"]) -> float:
    """Median distance from a spot to its nearest neighbour, in px; needs two spots."""
    distance, _ = cKDTree(xy).query(xy, k=2)
    return float(np.median(distance[:, 1]))


def lattice_steps(
    array: Float[np.ndarray, "N 2"], xy: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "2 2"]:
    """Px moved by one array step in x (row 0) and in y (row 1), by least squares.

    The nearest-neighbour distance is too short where single spots were nudged by hand or printed
    askew: the least of four noisy distances. The fit over the whole array has no such bias.
    """
    design = np.column_stack([array, np.ones(len(array))])
    return np.linalg.lstsq(design, xy, rcond=None)[0][:2]


def _unknown(where: str, believe: str | None) -> Problem:
    return Problem(
        where=where,
        found=f"no um/px from {_IN_WORDS[believe]}" if believe else "the um/px is unknown",
        expected="um per px of the image from its metadata, from the spot pitch or from you",
        remedy="give it in the column `mpp` of the manifest",
    )


def _disagree(where: str, said: str) -> Problem:
    return Problem(
        where=where,
        found=f"um/px that differ by more than 5 %: {said}",
        expected="one value",
        remedy="check that the image belongs to these spots at this size; then correct `mpp` in "
        "the manifest, or name the one to believe in its column `mpp_from`: " + ", ".join(ORIGINS),
    )


def settle_whole_slide(where: str, user: float | None, metadata: float | None) -> float:
    """Settle on the um/px of a slide that comes without spots.

    The user is believed where the file says nothing or the same within 5 %. Raises
    DataContractError where the two differ by more, or where neither knows.
    """
    if user is None and metadata is None:
        raise DataContractError(_ask(where))
    if user is None or metadata is None:
        return user or metadata or 0.0
    if max(user, metadata) > 1.05 * min(user, metadata):
        raise DataContractError(_choose(where, user, metadata))
    return user


def uneven(where: str, x: float, y: float) -> Problem:
    """The problem of px that are not square: a tile of tissue would come out squeezed."""
    return Problem(
        where=where,
        found=f"px that are not square: {x:.4g} um wide and {y:.4g} um high",
        expected="um/px in x and y within 5 % of each other",
        remedy="save the image with square px, or with the right um/px in its metadata",
    )


def _ask(where: str) -> Problem:
    return Problem(
        where=where,
        found="the file does not say how many um a px covers",
        expected="um per px in the metadata of the slide, or from you",
        remedy="give the um/px of the full image, e.g. `--mpp 0.25` for a 40x scan or `--mpp 0.5` "
        "for a 20x scan; it stands in the scanner's report, in the slide's properties in QuPath "
        "(`Pixel width`), or ask who scanned it",
    )


def _choose(where: str, user: float, metadata: float) -> Problem:
    return Problem(
        where=where,
        found=f"um/px that differ by more than 5 %: {user:.4g} from you, {metadata:.4g} from the "
        "metadata of the image",
        expected="one value",
        remedy="leave `--mpp` out to believe the metadata; if that is wrong (the image was resized "
        "after it was scanned), correct the pixel size in QuPath and export it as OME-TIFF",
    )
