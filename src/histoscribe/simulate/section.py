"""One simulated section: its tissue, its nuclei and their picture; then its counts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, UInt8

from histoscribe.seed import stream
from histoscribe.simulate.families import Genes
from histoscribe.simulate.nuclei import Nuclei, draw_nuclei
from histoscribe.simulate.patients import Patient
from histoscribe.simulate.stain import render
from histoscribe.simulate.stain_gains import draw_stain_gain, gain_maps
from histoscribe.simulate.tissue import Tissue, draw_tissue, motif_frequency


@dataclass(frozen=True, eq=False)
class DrawnSection:
    """What lies on a simulated slide, and the slide."""

    tissue: Tissue
    nuclei: Nuclei
    image: UInt8[np.ndarray, "H W 3"]
    stain_gain: Float[np.ndarray, "K 2"]
    """Factor of haematoxylin and of eosin around each array position; 1 without gains."""


@dataclass(frozen=True, eq=False)
class MeasuredSection:
    """A drawn section with the genes and counts of its spots: content of the files of a layout."""

    name: str
    seed: int
    """Of the cohort."""
    drawn: DrawnSection
    genes: Genes
    counts: sp.csr_matrix
    """[N, A], of the spots in tissue."""


def draw_section(
    name: str,
    patient: Patient,
    n_spots: int,
    seed: int,
    gains: Literal["none", "free", "tied"] = "none",
) -> DrawnSection:
    """Draw the section of this name, with room for about `n_spots` spots.

    `gains` says what the stain of its tiles follows.
    """
    frequency = motif_frequency(stream(seed, "motifs"))
    tissue = draw_tissue(patient.mix, n_spots, frequency, stream(seed, f"tissue-{name}"))
    nuclei = draw_nuclei(tissue, stream(seed, f"nuclei-{name}"))
    gain, maps = np.ones((len(tissue.xy_um), 2)), None
    if gains != "none":
        gain = draw_stain_gain(tissue, stream(seed, f"gains-{name}"), tied=gains == "tied")
        maps = gain_maps(tissue, gain)
    image = render(tissue, nuclei, patient, stream(seed, f"stain-{name}"), maps)
    return DrawnSection(tissue, nuclei, image, gain)
