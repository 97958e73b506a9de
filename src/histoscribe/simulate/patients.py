"""The patients of a simulated cohort: site, subtype, stain."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from histoscribe.seed import stream

SITES = ("north", "south", "harbour")
SUBTYPES = ("solid", "desmoplastic", "immune")
_MIX = {
    "solid": (0.58, 0.22, 0.10, 0.05, 0.05),
    "desmoplastic": (0.36, 0.43, 0.09, 0.07, 0.05),
    "immune": (0.40, 0.25, 0.24, 0.06, 0.05),
}
"""Share of tumour, stroma, infiltrate, fat and lumen."""
# optical density of a unit of stain in red, green and blue, near the values of Ruifrok and Johnston
# 2001 (Anal Quant Cytol Histol 23:291), with the warmer eosin of present scanners
_HAEMATOXYLIN = (0.65, 0.70, 0.29)
_EOSIN = (0.13, 0.86, 0.50)


@dataclass(frozen=True, eq=False)
class Patient:
    """Properties shared by all sections of one patient."""

    id: str
    site: str
    subtype: str
    mix: Float[np.ndarray, " 5"]
    """Area share of each compartment."""
    stain: Float[np.ndarray, "2 3"]
    """Optical density of a unit of haematoxylin and of eosin in red, green, blue."""
    strength: Float[np.ndarray, " 2"]
    """Units of each stain, relative to the average patient."""
    background: Float[np.ndarray, " 3"]
    """Colour of bare glass in 0..1."""
    noise: float
    """Deviation of the camera's noise, in grey levels of 255."""


def draw_patient(id_: str, seed: int) -> Patient:
    """Draw a patient by its id; the site shifts the stain, the subtype the tissue mix."""
    rng = stream(seed, f"patient-{id_}")
    site, subtype = str(rng.choice(SITES)), str(rng.choice(SUBTYPES))
    mix = np.array(_MIX[subtype]) * np.exp(0.15 * rng.standard_normal(5))
    of_site = stream(seed, f"site-{site}")
    stain = np.array([_HAEMATOXYLIN, _EOSIN])
    stain = stain + 0.03 * of_site.standard_normal((2, 3)) + 0.06 * rng.standard_normal((2, 3))
    stain = np.maximum(stain, 0.03)
    norm = np.linalg.norm(stain, axis=1, keepdims=True)
    return Patient(
        id=id_,
        site=site,
        subtype=subtype,
        mix=mix / mix.sum(),
        stain=stain / norm,
        strength=np.exp(0.08 * of_site.standard_normal(2) + 0.22 * rng.standard_normal(2)),
        background=0.955 + 0.015 * rng.standard_normal(3),
        noise=float(rng.uniform(1.0, 5.0)),
    )
