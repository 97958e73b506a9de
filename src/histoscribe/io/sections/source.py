"""Source (line of the manifest) and reading (files as they are) of a section."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import no_file
from histoscribe.io.slides.resample import Box
from histoscribe.types import Counts, Slide, Spots

_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
_PACKED = {".gz", ".zip", ".bz2", ".xz", ".7z", ".tar", ".tgz"}
PATHS = ("path", "image", "counts", "spots", "alignment")
"""Fields of a source that are paths."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Paths and facts of one section, from a manifest row or the catalog."""

    section: str
    patient: str
    kind: str
    path: Path | None = None
    """Folder of Space Ranger, the h5ad file, or the gene names of a sparse matrix."""
    image: Path | None = None
    counts: Path | None = None
    spots: Path | None = None
    alignment: Path | None = None
    """Matrix that places the H&E image on the data of Xenium."""
    mpp: float | None = None
    """Um/px of the image according to the user."""
    mpp_from: str | None = None
    """Source to trust if they disagree: `user`, `metadata` or `pitch`."""
    image_number: int | None = None
    """Image of a file with several, from 1; None takes the largest."""
    white: tuple[Box, ...] = ()
    """Rectangles of the image that are no tissue."""
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Other columns of the manifest that are not empty, e.g. site or subtype."""

    @property
    def where(self) -> str:
        """Name of this section in messages."""
        return f"section {self.section}"

    @property
    def library(self) -> str | None:
        """Library to read of a file with several, according to the user; a fact, too."""
        return self.facts.get("library") or None

    @property
    def layer(self) -> str | None:
        """Matrix of an AnnData with the raw counts, according to the user; a fact, too."""
        return self.facts.get("layer") or None

    def number(self, column: str) -> float | None:
        """Read a number above 0 from the facts; None for an empty or missing cell.

        Raises DataContractError for anything else.
        """
        text = self.facts.get(column, "")
        value = positive(text)
        if text and value is None:
            raise DataContractError(
                Problem(
                    where=self.where,
                    found=f"{column} {text!r}",
                    expected="a number above 0, or nothing",
                    remedy=f"correct the column `{column}` (for a HEST folder: give it in "
                    "corrections.csv)",
                )
            )
        return value


def positive(text: str) -> float | None:
    """Read a number above 0; None for anything else.

    `0,5` is read with a decimal comma; `1,234`, which may be 1234, is no number.
    """
    if _DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text):
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def image_number(text: str) -> int | None:
    """Read the number of an image, from 1; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def image_number_problems(where: str, row: Mapping[str, str]) -> list[Problem]:
    """Problem of a cell of the column `image_number` that is no such number."""
    text = row.get("image_number", "")
    if not text or image_number(text) is not None:
        return []
    expected = "a whole number from 1, or nothing"
    return [Problem(where, f"image_number {text!r}", expected, "correct it")]


def is_file_name(name: str) -> bool:
    """Whether a section or patient can be a file name in the folder of a run."""
    return name.isprintable() and not name.startswith(".") and not {"/", "\\"} & set(name)


def missing_files(source: Source, where: str) -> list[Problem]:
    """Problems of missing files that a source names, and of pipes; `where` is its line."""
    problems = []
    for name in PATHS:
        path = getattr(source, name)
        reason = None if path is None else no_file(path)
        if reason not in (None, "a folder"):
            what = "does not exist" if reason == "no such file" else f"is {reason}"
            problems.append(
                Problem(
                    where=where,
                    found=f"{name} {what}: {path}",
                    expected="a path relative to the manifest, or a full one",
                    remedy=f"correct the column `{name}`",
                )
            )
    if source.image is not None and source.image.suffix.lower() in _PACKED and not problems:
        unzipped = source.image.with_suffix("").name
        problems.append(
            Problem(
                where=where,
                found=f"a packed image: {source.image}",
                expected="an image whose tiles can be read where they are",
                remedy=f"unpack it (e.g. `gunzip`) and name {unzipped} in the column `image`",
            )
        )
    return problems


@dataclass(frozen=True, eq=False)
class Reading:
    """A section as read from its files, before spots and counts are matched and filtered."""

    slide: Slide
    spots: Spots
    in_tissue: Bool[np.ndarray, " N"]
    counts: Counts
    count_ids: tuple[str, ...]
    """Spot of each row of `counts`; rows without a spot are left out."""
    notes: tuple[str, ...]
    array: Float[np.ndarray, "N 2"] | None = None
    """Row (down) and column (to the right) of each spot as printed; None if not in the files."""
    scales: tuple[tuple[str, float], ...] = ()
    """Px of a smaller image per px of the full resolution, by its name (hires, lowres)."""


@dataclass(frozen=True)
class Reader:
    """Reader of one kind of section, with the manifest columns that it needs."""

    kind: str
    what: str
    """Short description for users who must choose."""
    needs: tuple[str, ...]
    """Fields of `Source` that must be filled."""
    read: Callable[[Source], Reading]
    pools: bool = False
    """Whether it sums bins, cells or beads into squares of the column `pool_um`."""
