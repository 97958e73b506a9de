"""Settings of a simulated cohort, checked once."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from histoscribe.simulate.families import FAMILIES
from histoscribe.simulate.layouts import LAYOUTS
from histoscribe.simulate.stain_gains import STAIN_GAINS

DRAWING = 2
"""Increases when the same settings write other files, so that no cohort mixes two versions.

2: the truth has the semi-axes and the angle of each nucleus; images and counts are those of 1.
"""


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """Settings of one simulated cohort; equal settings give equal files."""

    n_patients: int = 6
    sections_per_patient: int = 1
    families: tuple[str, ...] = FAMILIES
    """Gene families to write; a family does not depend on the others in the list."""
    genes_per_family: int = 32
    """A power of two balances the signs of `patient_flip` over patients exactly."""
    depth: Literal["independent", "density"] = "independent"
    """What the number of molecules in a spot follows: nothing visible, or the number of nuclei."""
    spots_per_section: int = 120
    """Approximate: the outline of the tissue decides the exact number."""
    seed: int = 0
    layout: str = "visium"
    """Instrument whose files are written, one of `LAYOUTS`."""
    stain_gains: str = "none"
    """Gains of the stain from tile to tile, one of `STAIN_GAINS`."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families:
            raise ValueError(f"unknown families {unknown}; choose from {', '.join(FAMILIES)}")
        if self.depth not in ("independent", "density"):
            raise ValueError(f"depth must be `independent` or `density`, not {self.depth!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"unknown layout {self.layout!r}; choose from {', '.join(LAYOUTS)}")
        if self.stain_gains not in STAIN_GAINS:
            known = ", ".join(STAIN_GAINS)
            raise ValueError(f"unknown stain_gains {self.stain_gains!r}; choose from {known}")
        if self.stain_gains == "tied" and self.n_patients < 2:
            raise ValueError("tied gains need a patient with free ones, too: at least 2 patients")
        sizes = (self.n_patients, self.sections_per_patient, self.genes_per_family)
        if min(sizes) < 1 or self.spots_per_section < 12:
            raise ValueError(
                "a cohort needs at least one patient, section and gene per family, "
                f"and 12 spots per section: {sizes}, {self.spots_per_section}"
            )

    @property
    def digest(self) -> str:
        """Short hash of all settings and the drawing version; identifies a finished section."""
        settings = asdict(self) | {"drawing": DRAWING}
        if self.layout == "visium":
            del settings["layout"]  # drawn before there were others, with the same hash
        if self.stain_gains == "none":
            del settings["stain_gains"]  # as above
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
