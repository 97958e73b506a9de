"""Slides, spots, counts, sections and cohorts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int, UInt8

from histoscribe.display import result_html, table_html
from histoscribe.errors import DataContractError, Problem


class Slide(ABC):
    """An image at level 0, read tile by tile."""

    path: Path
    width: int
    """Level-0 px."""
    height: int
    """Level-0 px."""
    mpp: float
    """um per level-0 px."""
    notes: tuple[str, ...] = ()
    """Facts that explain which pixels are read, e.g. which image of the file."""
    warnings: tuple[str, ...] = ()
    """Facts about the file that may surprise."""

    @abstractmethod
    def read(self, xy: tuple[float, float], side_px: int, mpp: float) -> UInt8[np.ndarray, "P P 3"]:
        """Read the square of `side_px` px at `mpp` um/px centred on `xy` (level-0 px).

        At a coarser resolution than the native one, source pixels are averaged by covered area.
        Pixels outside the image are white. Raises ValueError if `mpp` is finer than native by more
        than 1 %: images are never enlarged silently.
        """

    @abstractmethod
    def overview(self, mpp: float) -> UInt8[np.ndarray, "height width 3"]:
        """Read the whole image at about `mpp` um/px (never finer than native)."""

    @abstractmethod
    def pixel_hash(self) -> str:
        """Sha256 of size and decoded pixels, so that a re-saved copy has the same hash.

        For a slide that is too large to decode, or has several files, it is the hash of the files'
        bytes.
        """


Shape = Literal["circles", "squares", "cells"]
"""Kind of a spot: a printed or cut circle, a square bin, or a cell."""
_STEP_UM = 100.0  # Visium's pitch; tiles are about as wide (224 px at 0.5 um/px: 112 um)

_CHUNK = 1 << 18  # counts summed at a time, 2 MB
_CELL_UM = 10.0  # as wide as most nuclei are
_CORNERS = 16  # of the polygon that stands for a circle


@dataclass(frozen=True, eq=False)
class Spots:
    """Measured positions of a section: a lattice of circles or squares, or cells."""

    ids: tuple[str, ...]
    xy: Float[np.ndarray, "N 2"]
    """Centres in level-0 px; x right, y down."""
    diameter_um: float | None
    """Diameter of a circle; side of a square; a typical diameter for cells, which differ.

    None for cells of unknown size.
    """
    pitch_um: float | None
    """Distance between neighbouring centres of the lattice; None where there is no lattice."""
    shape: Shape = "circles"
    array: Float[np.ndarray, "N 2"] | None = None
    """Row and column of each spot on its array or grid; None where they are unknown."""

    def __post_init__(self) -> None:
        if self.array is not None and self.array.shape != self.xy.shape:
            raise ValueError(f"rows and columns {self.array.shape} of {len(self.ids)} spots")
        if (self.shape == "squares" and self.pitch_um is None) or (
            self.shape == "cells" and self.pitch_um is not None
        ):
            raise ValueError(
                f"{self.shape} with a pitch of {self.pitch_um}: squares have one, cells none"
            )
        if self.diameter_um is None and self.shape != "cells":
            raise ValueError(f"{self.shape} without a diameter: only that of cells may be unknown")
        sizes = (self.drawn_um, 1.0 if self.pitch_um is None else self.pitch_um)
        if not all(np.isfinite(size) and size > 0 for size in sizes):
            raise ValueError(f"spots of {self.diameter_um} um every {self.pitch_um} um")
        if self.xy.shape != (len(self.ids), 2) or self.xy.dtype != np.float64:
            raise ValueError(f"{len(self.ids)} spot ids need xy float64 [N, 2]: {self.xy.shape}")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("spot ids repeat")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def step_um(self) -> float:
        """Distance from a spot to different tissue: the pitch, but at least 100 um.

        Small bins and cells are much closer together than the width of a tile. Code that moves by
        "one spot" (a held-out rim, a shift of the image, a band to read) uses this step.
        """
        return _STEP_UM if self.pitch_um is None else max(self.pitch_um, _STEP_UM)

    @property
    def drawn_um(self) -> float:
        """Width of a spot in pictures and outlines: its diameter, or 10 um for an unknown cell."""
        return _CELL_UM if self.diameter_um is None else self.diameter_um

    def outline(self, width: float) -> Float[np.ndarray, "corners 2"]:
        """Corners around the centre of a spot of this width, in the unit of `width`.

        Four for a square; sixteen for a circle, and for a cell, which is drawn as a circle.
        """
        if self.shape == "squares":
            corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
        else:
            angle = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
            corners = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return width / 2 * corners

    def take(self, rows: Int[np.ndarray, " rows"]) -> "Spots":
        """Subset of these spots."""
        array = None if self.array is None else self.array[rows]
        return replace(
            self, ids=tuple(self.ids[row] for row in rows), xy=self.xy[rows], array=array
        )


@dataclass(frozen=True, eq=False)
class Counts:
    """Molecules counted per spot and gene."""

    matrix: sp.csr_matrix
    """[N, A] raw whole numbers >= 0."""
    gene_ids: tuple[str, ...]
    """Ids as the source gives them (Ensembl or symbol), version suffixes removed; unique."""
    gene_names: tuple[str, ...]
    """Symbols where known, else the id; may repeat."""

    def __post_init__(self) -> None:
        if not self.matrix.shape[1] == len(self.gene_ids) == len(self.gene_names):
            raise ValueError(f"{self.matrix.shape} counts, {len(self.gene_ids)} gene ids")
        if len(set(self.gene_ids)) != len(self.gene_ids):
            raise ValueError("gene ids repeat")
        data = self.matrix.data
        is_whole = data.dtype.kind in "iu" or np.array_equal(data, np.rint(data))
        if data.size and (data.min() < 0 or not is_whole):
            raise ValueError("counts must be whole numbers >= 0")

    @property
    def total(self) -> Float[np.ndarray, " N"]:
        """Total count of each spot over all genes measured: its depth."""
        return np.asarray(self.matrix.sum(axis=1), dtype=np.float64).ravel()

    @cached_property
    def gene_total(self) -> Float[np.ndarray, " A"]:
        """Total count of each gene over all spots; computed once, read-only."""
        total = np.zeros(len(self.gene_ids))
        for start in range(0, self.matrix.nnz, _CHUNK):
            part = slice(start, min(start + _CHUNK, self.matrix.nnz))
            # whole numbers: the sum is exact in any order
            total += np.bincount(
                self.matrix.indices[part], self.matrix.data[part], minlength=len(total)
            )
        total.flags.writeable = False
        return total


@dataclass(frozen=True, eq=False)
class Section:
    """One slice of tissue: image, spots and, if sequenced, counts."""

    id: str
    patient: str | None
    """None only if counts are None."""
    slide: Slide
    spots: Spots
    counts: Counts | None
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Number of spots dropped by each named filter."""
    notes: tuple[str, ...] = ()
    """Notes for readers of a result, e.g. which image of a folder was used."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Other columns of the manifest or the folder's metadata, e.g. site or subtype.

    A column that is empty for this section is left out.
    """

    def __post_init__(self) -> None:
        if self.counts is not None and self.patient is None:
            raise ValueError(f"section {self.id} has counts and no patient")
        if self.counts is not None and self.counts.matrix.shape[0] != len(self.spots):
            raise ValueError(f"section {self.id}: counts and spots differ in rows")
        x, y = self.spots.xy.T
        inside = (x >= 0) & (x <= self.slide.width) & (y >= 0) & (y <= self.slide.height)
        if not inside.all():
            raise DataContractError(
                Problem(
                    where=f"section {self.id}",
                    found=f"{(~inside).sum()} of {len(self.spots)} spots lie outside the image "
                    f"({self.slide.path.name}, {self.slide.width} x {self.slide.height} px)",
                    expected="every spot centre inside the image, in its full-resolution px",
                    remedy="give the image that the positions were made for",
                )
            )

    def __repr__(self) -> str:
        facts = ", ".join(f"{words} {value}".strip() for words, value in self._summary)
        return f"Section({self.id!r}, patient {self.patient!r}, {facts})"

    def _repr_html_(self) -> str:
        """Show size and origin in a notebook."""
        name = f"Section {self.id}"
        of = [] if self.patient is None else [("patient", self.patient)]
        return result_html(name, [*of, *self._summary, *self.facts.items()])

    @property
    def _summary(self) -> list[tuple[str, str]]:
        slide, counts = self.slide, self.counts
        genes = "not sequenced" if counts is None else f"{len(counts.gene_ids):,} genes"
        size = f"{slide.width:,} x {slide.height:,} px of {slide.mpp:.3g} um"
        return [("", f"{len(self.spots):,} spots"), ("", genes), ("slide", size)]

    @property
    def measured(self) -> Counts:
        """Counts; raises an error if the section was not sequenced."""
        if self.counts is None:
            raise ValueError(f"section {self.id} has no counts")
        return self.counts

    def take(self, rows: Int[np.ndarray, " rows"]) -> "Section":
        """Section with a subset of its spots."""
        counts = self.counts
        return replace(
            self,
            spots=self.spots.take(rows),
            counts=None if counts is None else replace(counts, matrix=counts.matrix[rows]),
        )


@dataclass(frozen=True)
class CohortEntry:
    """A section by name, opened on first use."""

    section: str
    patient: str | None
    open: Callable[[], Section]
    facts: Mapping[str, str] = field(default_factory=dict)
    """As `Section.facts`, known before the section is opened."""


class Cohort:
    """Sections by id, in sorted order, each opened on first use and then kept in memory."""

    def __init__(self, entries: Sequence[CohortEntry]) -> None:
        ids = [entry.section for entry in entries]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two sections share an id: {sorted(ids)}")
        self._entries = {entry.section: entry for entry in sorted(entries, key=_section_of)}
        self._opened: dict[str, Section] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Section ids, sorted."""
        return tuple(self._entries)

    @property
    def patients(self) -> dict[str, str | None]:
        """Patient of each section."""
        return {id_: entry.patient for id_, entry in self._entries.items()}

    @property
    def facts(self) -> dict[str, Mapping[str, str]]:
        """Facts of each section, e.g. site or subtype; no section is opened for them."""
        return {id_: entry.facts for id_, entry in self._entries.items()}

    def __repr__(self) -> str:
        return f"Cohort({self._size}: {', '.join(self.ids)})"

    def _repr_html_(self) -> str:
        """Show section, patient and facts in a notebook, without opening any section."""
        facts = sorted({name for of in self.facts.values() for name in of})
        rows = [
            (id_, entry.patient or "", *(entry.facts.get(name, "") for name in facts))
            for id_, entry in self._entries.items()
        ]
        return result_html(
            "Cohort", [("", self._size)], table_html(["section", "patient", *facts], rows)
        )

    @property
    def _size(self) -> str:
        n_patients = len({patient for patient in self.patients.values() if patient is not None})
        return f"{len(self)} sections of {n_patients} patients"

    def __getitem__(self, section: str) -> Section:
        if section not in self._entries:
            raise KeyError(f"no section {section!r}; this cohort has {', '.join(self.ids)}")
        if section not in self._opened:
            self._opened[section] = self._entries[section].open()
        return self._opened[section]

    def passing(self, section: str) -> Section:
        """A section for passing use: unless it is open already, it is not kept in memory."""
        opened = self._opened.get(section)
        return self._entries[section].open() if opened is None else opened

    def __iter__(self) -> Iterator[Section]:
        return (self[id_] for id_ in self.ids)

    def __len__(self) -> int:
        return len(self._entries)

    def subset(self, sections: Sequence[str]) -> "Cohort":
        """The same cohort with these sections only; sections already open stay open."""
        missing = [id_ for id_ in sections if id_ not in self._entries]
        if missing:
            raise KeyError(f"no section {', '.join(missing)}; this cohort has {self.ids}")
        smaller = Cohort([self._entries[id_] for id_ in sections])
        smaller._opened = {id_: self._opened[id_] for id_ in sections if id_ in self._opened}
        return smaller


def _section_of(entry: CohortEntry) -> str:
    return entry.section
