"""One simulated section: its tissue, its nuclei and their picture; then its counts."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import UInt8

from histoscribe.seed import stream
from histoscribe.simulate.families import Genes
from histoscribe.simulate.nuclei import Nuclei, draw_nuclei
from histoscribe.simulate.patients import Patient
from histoscribe.simulate.stain import render
from histoscribe.simulate.tissue import Tissue, draw_tissue, motif_frequency


@dataclass(frozen=True, eq=False)
class DrawnSection:
    """What lies on a simulated slide, and the slide."""

    tissue: Tissue
    nuclei: Nuclei
    image: UInt8[np.ndarray, "H W 3"]


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


def draw_section(name: str, patient: Patient, n_spots: int, seed: int) -> DrawnSection:
    """Draw the section of this name, with room for about `n_spots` spots."""
    frequency = motif_frequency(stream(seed, "motifs"))
    tissue = draw_tissue(patient.mix, n_spots, frequency, stream(seed, f"tissue-{name}"))
    nuclei = draw_nuclei(tissue, stream(seed, f"nuclei-{name}"))
    return DrawnSection(
        tissue, nuclei, render(tissue, nuclei, patient, stream(seed, f"stain-{name}"))
    )
