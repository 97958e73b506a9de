"""What a simulated cohort is made of: its settings, checked once."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from histoscribe.simulate.families import FAMILIES

DRAWING = 1
"""Rises when the same settings give other files, so that no cohort is half of each."""


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """The settings of one simulated cohort; equal settings are equal files."""

    n_patients: int = 6
    sections_per_patient: int = 1
    families: tuple[str, ...] = FAMILIES
    """Gene families to write; a family is the same whichever others stand beside it."""
    genes_per_family: int = 32
    """A power of two balances the signs of `patient_flip` over patients exactly."""
    depth: Literal["independent", "density"] = "independent"
    """What the molecules caught in a spot follow: nothing visible, or its number of nuclei."""
    spots_per_section: int = 120
    """About as many; the outline of the tissue settles it."""
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families:
            raise ValueError(f"unknown families {unknown}; choose from {', '.join(FAMILIES)}")
        if self.depth not in ("independent", "density"):
            raise ValueError(f"depth is `independent` or `density`: {self.depth!r}")
        sizes = (self.n_patients, self.sections_per_patient, self.genes_per_family)
        if min(sizes) < 1 or self.spots_per_section < 12:
            raise ValueError(
                "a cohort needs at least one patient, section and gene per family, "
                f"and 12 spots per section: {sizes}, {self.spots_per_section}"
            )

    @property
    def digest(self) -> str:
        """Short hash of all settings and the drawing, by which a finished section is known."""
        text = json.dumps(asdict(self) | {"drawing": DRAWING}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
