"""Which image of a file is the scan: the largest picture, or the one asked for by number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem

BY_NUMBER = "--image-number N, or the column image_number of the manifest"
"""Where a user gives the number of an image."""


@dataclass(frozen=True)
class ImagePath:
    """An image in a file."""

    path: Path
    number: int | None = None
    """From 1, as asked for; None takes the largest picture."""
    fill: bool = False
    """Whether damaged tiles are read as white; else they are errors."""


@dataclass(frozen=True)
class FileImage:
    """One image of a file, at full resolution."""

    width: int
    height: int
    name: str = ""
    """What the file calls it, e.g. `label`; may be empty."""
    is_colour: bool = True
    unfit: str = ""
    """Why it cannot be a scan, e.g. `uint16 pixels`; empty if it can."""
    aside: bool = False
    """Whether it is known to be no scan: a label, a macro image or a thumbnail."""

    def __str__(self) -> str:
        """Size and name, e.g. `1280 x 1024 px (label)`."""
        known = ", ".join(part for part in (self.name, self.unfit) if part)
        return f"{self.width} x {self.height} px" + (f" ({known})" if known else "")


@dataclass(frozen=True)
class ImageChoice:
    """Choice of one image of a file, with the reason."""

    index: int
    """Place in the file, from 0."""
    note: str = ""
    """Which images the file has, and which was taken; empty if it has one."""
    is_plain: bool = True
    """Whether the others are no scans, so that the choice surprises nobody."""


def choose_image(where: str, images: Sequence[FileImage], number: int | None) -> ImageChoice:
    """Take the image of this number (from 1), else the largest picture in colour.

    Raises
    ------
    DataContractError
        for a number that the file does not have, and if two images are equally large: nothing in
        the file says which of them is the scan.
    """
    if number is not None:
        if not 1 <= number <= len(images):
            raise DataContractError(_no_such(where, images, number))
        return ImageChoice(number - 1, _told(images, number - 1, "as asked for"))
    fit = [n for n, image in enumerate(images) if not (image.unfit or image.aside)]
    fit = [n for n in fit if images[n].is_colour] or fit
    if not fit:
        return ImageChoice(0, _told(images, 0, "the first"))
    area = {n: images[n].width * images[n].height for n in fit}
    largest = [n for n in fit if area[n] == max(area.values())]
    if len(largest) > 1:
        raise DataContractError(_equal(where, images, largest))
    is_plain = all(image.aside for n, image in enumerate(images) if n != largest[0])
    return ImageChoice(largest[0], _told(images, largest[0], "the largest"), is_plain)


def listed(images: Sequence[FileImage]) -> str:
    """All images with number and size."""
    return "; ".join(f"{number}: {image}" for number, image in enumerate(images, start=1))


def _told(images: Sequence[FileImage], index: int, why: str) -> str:
    if len(images) == 1:
        return ""
    return (
        f"The file holds {len(images)} images ({listed(images)}). Image {index + 1}, {why}, is "
        f"read; another one is chosen with {BY_NUMBER}."
    )


def _no_such(where: str, images: Sequence[FileImage], number: int) -> Problem:
    return Problem(
        where=where,
        found=f"no image {number}; the file holds {listed(images)}",
        expected=f"a number from 1 to {len(images)}",
        remedy=f"correct {BY_NUMBER}",
    )


def _equal(where: str, images: Sequence[FileImage], largest: Sequence[int]) -> Problem:
    same = " and ".join(str(number + 1) for number in largest)
    return Problem(
        where=where,
        found=f"{len(images)} images ({listed(images)}), of which {same} are equally large",
        expected="one largest image, which is the scan",
        remedy=f"say which one to read: {BY_NUMBER}",
    )
