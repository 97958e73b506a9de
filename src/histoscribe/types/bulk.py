"""Expression of whole samples: bulk tables, bags of tiles with one label, and their prediction."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.types.folds import SpotRows
from histoscribe.types.tissue import Spots

BulkUnit = Literal["counts", "tpm", "fpkm", "log"]
"""Raw counts; transcripts per million; fragments per kilobase and million; logged values."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BulkTable:
    """Measured expression of whole samples: one row a patient (or a block of spots)."""

    patients: tuple[str, ...]
    """Names of the rows, each once."""
    genes: tuple[str, ...]
    """Ids of the columns, each once."""
    values: Float[np.ndarray, "M A"]
    unit: BulkUnit

    def __post_init__(self) -> None:
        if self.unit not in get_args(BulkUnit):
            raise ValueError(f"no unit {self.unit!r}; choose {', '.join(get_args(BulkUnit))}")
        if self.values.shape != (len(self.patients), len(self.genes)):
            raise ValueError(
                f"{self.values.shape} values of {len(self.patients)} patients and "
                f"{len(self.genes)} genes"
            )
        for names in (self.patients, self.genes):
            if repeated := [name for name, n in Counter(names).items() if n > 1]:
                raise ValueError(f"twice in a table: {', '.join(repeated[:5])}")
        if not np.isfinite(self.values).all():
            raise ValueError("a bulk table has a finite number in every cell")
        if self.unit != "log" and self.values.size and self.values.min() < 0:
            raise ValueError(f"{self.unit} are never negative")

    def take(self, patients: tuple[str, ...]) -> "BulkTable":
        """These rows, in this order."""
        place = {name: row for row, name in enumerate(self.patients)}
        rows = np.array([place[name] for name in patients], dtype=np.int64)
        return BulkTable(
            patients=patients, genes=self.genes, values=self.values[rows], unit=self.unit
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Bag:
    """Tiles with one label: those of all slides of a patient, or a block of spots of a section.

    Raises
    ------
    DataContractError
        A bag without tiles has nothing to predict from.
    """

    name: str
    """The patient, or the section and number of a block; its row in the bulk table."""
    patient: str
    rows: SpotRows
    """Section -> its tiles in this bag."""
    site: str | None = None
    """Hospital or centre, if known."""

    def __post_init__(self) -> None:
        if not len(self):
            raise DataContractError(
                Problem(
                    where=f"bag {self.name}",
                    found=f"no tile on {', '.join(sorted(self.rows)) or 'any slide'}",
                    expected="at least one tile of tissue",
                    remedy="check its slides, or leave the patient out of the manifest",
                )
            )

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


@dataclass(frozen=True, eq=False, kw_only=True)
class TileEvidence:
    """What a model says of the tiles of one section, for a map beside the value of its patient."""

    patient: str
    spots: Spots
    values: Mapping[str, Float[np.ndarray, "N _"]]
    """Name -> one row a tile, e.g. a prediction for each gene (G columns), or attention (1)."""

    def __post_init__(self) -> None:
        for name, values in self.values.items():
            if len(values) != len(self.spots):
                raise ValueError(f"{name}: {len(values)} rows for {len(self.spots)} tiles")


@dataclass(frozen=True, eq=False, kw_only=True)
class BulkPrediction:
    """Predicted expression of whole patients, with unit and origin."""

    patients: tuple[str, ...]
    genes: tuple[str, ...]
    values: Float[np.ndarray, "M G"]
    unit: str
    """Transform of the target and what it was applied to, e.g. `cp10k-log1p of counts`."""
    predictor: str
    """Model name and short hash of its files."""
    deviation: Float[np.ndarray, "M G"] | None = None
    """Standard deviation between the members of an ensemble; None of a single model."""
    gene_names: tuple[str, ...] = ()
    """Symbol of each gene; empty if unknown."""
    evidence: Mapping[str, TileEvidence] = field(default_factory=dict)
    """Section -> maps of its tiles."""
    patient_facts: Mapping[str, Float[np.ndarray, " M"]] = field(default_factory=dict)
    """Facts of each patient, by name, e.g. the share of its tissue beyond the training."""
    card: str = ""
    """The protocol card of the predictor, as JSON."""

    def __post_init__(self) -> None:
        shape = (len(self.patients), len(self.genes))
        for values in (self.values, self.deviation):
            if values is not None and values.shape != shape:
                raise ValueError(f"{values.shape} values of {shape[0]} patients, {shape[1]} genes")
        if self.gene_names and len(self.gene_names) != len(self.genes):
            raise ValueError(f"{len(self.gene_names)} names for {len(self.genes)} genes")
        if wrong := [name for name, of in self.patient_facts.items() if len(of) != shape[0]]:
            raise ValueError(f"{', '.join(wrong)} should have {shape[0]} rows")
        for names in (self.patients, self.genes):
            if repeated := [name for name, n in Counter(names).items() if n > 1]:
                raise ValueError(f"twice in a prediction: {', '.join(repeated[:5])}")
        strangers = {of.patient for of in self.evidence.values()} - set(self.patients)
        if strangers:
            raise ValueError(f"evidence of patients without a value: {sorted(strangers)}")
