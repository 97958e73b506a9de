"""Painted patients with genes that follow their tissue, and as many that follow nothing."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

import histoscribe as hs
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.types import Cohort, CohortEntry, Counts
from tests.explain.concepts.painted import TILE_PX, painted_section, smooth_maps

FOLLOWING = ("BLUE", "PINK", "GRAIN", "PALE")
"""Genes of a painted section that follow its tissue."""
N_NULL = 12
"""Genes that follow smooth maps which no image shows."""
MEASURES = ("haematoxylin_density", "eosin_density", "texture_contrast")


def section_of(patient, seed, *, follows=True):
    """A painted section with further genes; else all its genes follow hidden maps."""
    rng = stream(seed, f"hidden {patient}")
    painted = painted_section(patient, seed, expressed=None if follows else smooth_maps(rng))
    hidden = smooth_maps(rng, N_NULL).reshape(N_NULL, -1).T
    more = rng.poisson(40 * np.exp(0.4 * hidden))
    genes = (*painted.counts.gene_ids, *(f"NULL{at}" for at in range(N_NULL)))
    matrix = sp.csr_matrix(np.hstack([painted.counts.matrix.toarray(), more]))
    return replace(painted, counts=Counts(matrix, genes, genes))


def cohort_of(sections):
    """Sections as a cohort."""
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def patients(prefix, n, seed, *, follows=True):
    """Painted patients of one section each."""
    return [section_of(f"{prefix}{at}", seed, follows=follows) for at in range(n)]


def fitted(sections) -> Predictor:
    """Ridge on the mean colour of the tiles."""
    inputs = {"encoder": "mean_colour", "tile_px": TILE_PX, "mpp": 1.0, "white_off_tissue": False}
    n_genes = len(sections[0].counts.gene_ids)
    return hs.train(
        cohort_of(sections),
        "ridge",
        inputs=inputs,
        target={"transform": "log1p", "n_genes": n_genes},
        run={"device": "cpu"},
    )
