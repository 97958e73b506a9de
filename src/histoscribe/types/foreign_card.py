"""Cards of predictions that were made by other tools."""

from collections.abc import Mapping
from dataclasses import dataclass

from histoscribe.types.card import Card


@dataclass(frozen=True, kw_only=True)
class ForeignSectionCard(Card):
    """Predictions of one scored section."""

    spots: int
    """Scored spots."""
    rows_unknown: int
    """Predicted rows that are no spots of the section."""
    genes: int
    """Genes of the cohort that were predicted."""
    genes_unknown: int
    """Predicted columns that are no genes of the cohort."""
    matched_by: str
    """How spots were found, in words."""
    sha256: str
    """Of spots, genes and values."""
    trained_on: tuple[str, ...] | None
    """Training patients and sections as the author says; None if unknown."""
    overlap: tuple[str, ...] = ()
    """Those of them that are of the patient of this section: a leak."""


@dataclass(frozen=True, kw_only=True)
class ForeignCard(Card):
    """A row of the tables whose model was fitted elsewhere."""

    source: str
    """Files or argument."""
    unit: str | None
    """Transform whose scale the values are on; None if nobody said."""
    sections: Mapping[str, ForeignSectionCard]
    missing: Mapping[str, int]
    """Section -> number of test spots without a prediction."""
    unchecked: tuple[str, ...]
    """What could not be checked, in words."""
