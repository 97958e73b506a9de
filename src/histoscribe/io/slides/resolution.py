"""Um per px of an image from metadata, spot pitch or user, checked against each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from histoscribe.errors import DataContractError, Problem

ORIGINS = ("user", "metadata", "pitch", "table", "alignment")
"""Possible sources of um/px, the most trusted first."""
_MAGNIFICATION_MARGIN = 1.5
"""Factor between um/px and magnification that adapters of cameras do not explain."""


@dataclass(frozen=True)
class Resolutions:
    """Um/px of one image by source; None for a source without a value."""

    user: float | None
    metadata: float | None
    pitch: float | None
    table: float | None = None
    """A published table of samples, e.g. `pixel_size_um_estimated` of HEST-1k."""
    alignment: float | None = None
    """A matrix that maps px of the image to um."""
    reason: str = ""
    """Why no pitch is known, for the message that asks for um/px."""

    def settle(self, where: str, believe: str | None) -> tuple[float, str]:
        """Decide on one um/px and name its source.

        Values that differ by more than 5 % stop the run, unless `believe` names the source to trust
        (column `mpp_from` of the manifest). Raises DataContractError in that case, or where no
        source has a value.
        """
        known = {name: value for name in ORIGINS if (value := getattr(self, name)) is not None}
        if not known or (believe is not None and believe not in known):
            raise DataContractError(_unknown(where, believe, self.reason))
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
    "alignment": "the alignment",
}


def nearest_px(xy: Float[np.ndarray, "N 2"]) -> float:
    """Median distance from a spot to its nearest neighbour, in px; needs two spots."""
    distance, _ = cKDTree(xy).query(xy, k=2)
    return float(np.median(distance[:, 1]))


def on_lattice(xy: Float[np.ndarray, "N 2"]) -> bool:
    """Whether most centres are equally far from their nearest one: within 10 % of the median.

    Of points at random about 15 % are, of the nudged spots of ST arrays (her2st) at least 78 %, of
    other arrays all but single spots.
    """
    distance, _ = cKDTree(xy).query(xy, k=2)
    nearest = distance[:, 1]
    return float((np.abs(nearest / np.median(nearest) - 1) < 0.1).mean()) > 0.5


def lattice_steps(
    array: Float[np.ndarray, "N 2"], xy: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "2 2"]:
    """Step in px per array unit in x (row 0) and in y (row 1), by least squares.

    The nearest-neighbour distance is too short where single spots were moved by hand or printed
    askew, because it is the least of four noisy distances. The fit over the whole array has no such
    bias.
    """
    design = np.column_stack([array, np.ones(len(array))])
    return np.linalg.lstsq(design, xy, rcond=None)[0][:2]


def _unknown(where: str, believe: str | None, reason: str) -> Problem:
    found = f"no um/px from {_IN_WORDS[believe]}" if believe else "the um/px is unknown"
    return Problem(
        where=where,
        found=f"{found}: {reason}" if reason else found,
        expected="um per px of the image from its metadata, from the spot pitch or from you",
        remedy="give it in the column `mpp` of the manifest",
    )


def _disagree(where: str, said: str) -> Problem:
    return Problem(
        where=where,
        found=f"um/px values that differ by more than 5 %: {said}",
        expected="one value",
        remedy="check that the image belongs to these spots at this size; then correct `mpp` in "
        "the manifest, or name the source to trust in its column `mpp_from`: " + ", ".join(ORIGINS),
    )


def settle_whole_slide(
    where: str, user: float | None, metadata: float | None, believe: str | None = None
) -> float:
    """Decide on the um/px of a slide without spots.

    The user's value is used if the file has none or agrees within 5 %. `believe` (`user` or
    `metadata`) decides between values that differ by more. Raises DataContractError if they do and
    it does not, if it names a source without a value, or if neither has one.
    """
    known = {"user": user, "metadata": metadata}
    if believe is not None and known[believe] is None:
        raise DataContractError(_no_value(where, believe))
    if user is None and metadata is None:
        raise DataContractError(_ask(where))
    if believe is not None:
        return known[believe] or 0.0
    if user is None or metadata is None:
        return user or metadata or 0.0
    if max(user, metadata) > 1.05 * min(user, metadata):
        raise DataContractError(_choose(where, user, metadata))
    return user


def magnification_warning(mpp: float, magnification: float | None) -> tuple[str, ...]:
    """Warning of a magnification that contradicts the um/px of the slide; none if both fit.

    A scan at 40x has about 0.25 um/px, at 20x 0.5; scanners differ from this by up to 20 %.
    """
    if not magnification or abs(np.log(mpp * magnification / 10)) < np.log(_MAGNIFICATION_MARGIN):
        return ()
    return (
        f"The file states a magnification of {magnification:g}x, at which scans have about "
        f"{10 / magnification:.2g} um/px, and the slide is read at {mpp:.4g} um/px: one of the two "
        "is wrong. Compare the size of a nucleus (5 to 10 um), and give the um/px if needed.",
    )


def uneven(where: str, x: float, y: float) -> Problem:
    """Problem of px that are not square, which would distort the tissue in tiles."""
    return Problem(
        where=where,
        found=f"px that are not square: {x:.4g} um wide and {y:.4g} um high",
        expected="um/px in x and y within 5 % of each other",
        remedy="save the image with square px, or with the right um/px in its metadata",
    )


def _ask(where: str) -> Problem:
    return Problem(
        where=where,
        found="the file does not state um per px",
        expected="um per px in the metadata of the slide, or from you",
        remedy="give the um/px of the full image, e.g. `--mpp 0.25` for a 40x scan or `--mpp "
        "0.5` for a 20x scan. Find it in the scanner's report or in QuPath's slide properties "
        "(`Pixel width`), or ask the person who scanned it",
    )


def _choose(where: str, user: float, metadata: float) -> Problem:
    return Problem(
        where=where,
        found=f"um/px values that differ by more than 5 %: {user:.4g} from you, {metadata:.4g} "
        "from the metadata of the image",
        expected="one value, or which of the two to trust",
        remedy="if the metadata is wrong (e.g. the image was resized after scanning), add "
        "`--mpp-from user`; if it is right, leave out `--mpp`",
    )


def _no_value(where: str, believe: str) -> Problem:
    source = "you" if believe == "user" else "the metadata of the image"
    return Problem(
        where=where,
        found=f"--mpp-from {believe}, but no um/px from {source}",
        expected="a um/px from the source that is to be trusted",
        remedy="give it with `--mpp`" if believe == "user" else "leave out `--mpp-from`",
    )
