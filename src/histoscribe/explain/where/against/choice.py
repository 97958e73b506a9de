"""What a user gives to hold maps against: labels, mask, second slide with its landmarks, genes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import problems_of
from histoscribe.explain.where.against.landmarks import align, read_landmarks
from histoscribe.explain.where.against.masks import mask_reference
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.explain.where.against.spot_labels import label_references
from histoscribe.explain.where.against.stain_slide import open_stain_slide, stain_reference
from histoscribe.io.files import read_bytes
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Section

_LETTERS = 16  # of a hash
_ANY_MPP = 1.0  # the hash is of the pixels alone


@final
@dataclass(frozen=True, kw_only=True)
class ReferenceFiles:
    """Files that a map of a section is held against."""

    labels: Path | None = None
    """Table with `label`, and `spot` or `x` and `y` (array units)."""
    mask: Path | None = None
    """GeoJSON polygons in level-0 px, or a picture that is not zero inside."""
    against: Path | None = None
    """Second slide with immunohistochemistry (haematoxylin and DAB)."""
    points: Path | None = None
    """Landmarks of the second slide: a table with x, y, x2, y2. Without a second slide they are
    of the mask, drawn on another image than the section's."""

    @property
    def about(self) -> Mapping[str, str]:
        """Name and content of each file, for the record of a question."""
        tables = {"labels": self.labels, "mask": self.mask, "points": self.points}
        about = {name: f"{path.name} {_hash(path)}" for name, path in tables.items() if path}
        if self.against is not None:
            pixels = open_slide(self.against, _ANY_MPP).pixel_hash()
            about["against"] = f"{self.against.name} {pixels[:_LETTERS]}"
        return about

    def references(self, section: Section) -> tuple[MapReference, ...]:
        """Read all that a map of this section is held against.

        Raises DataContractError with the problems of all files at once.
        """
        found: list[MapReference] = []
        problems = problems_of(
            (
                self._check_points,
                # in the order of the figure, which has no room for all: labels can be many
                lambda: found.extend(self._stain(section)),
                lambda: found.extend(self._mask(section)),
                lambda: found.extend(self._labels(section)),
            )
        )
        if problems:
            raise DataContractError(dict.fromkeys(problems))  # of landmarks: once
        return tuple(found)

    def _check_points(self) -> None:
        if self.points is None:
            return
        if self.mask is None and self.against is None:
            raise DataContractError(_points_of_nothing(self.points))
        read_landmarks(self.points)

    def _labels(self, section: Section) -> Sequence[MapReference]:
        return () if self.labels is None else label_references(self.labels, section.spots)

    def _mask(self, section: Section) -> Sequence[MapReference]:
        if self.mask is None:
            return ()
        if self.points is None or self.against is not None:
            return (mask_reference(self.mask, section),)
        alignment = align(read_landmarks(self.points), section.slide.mpp)
        return (mask_reference(self.mask, section, alignment),)

    def _stain(self, section: Section) -> Sequence[MapReference]:
        if self.against is None:
            return ()
        landmarks = None if self.points is None else read_landmarks(self.points)
        return (stain_reference(open_stain_slide(self.against, section, landmarks), section),)


def _points_of_nothing(points: Path) -> Problem:
    return Problem(
        where=f"landmarks {points}",
        found="no second image that they belong to",
        expected="landmarks together with a second slide (against) or a mask",
        remedy="give the image, or leave the landmarks out",
    )


def _hash(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()[:_LETTERS]
