"""Sections made in memory, for promises about spots and counts that need no pixels."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from histoscribe.types import Cohort, CohortEntry, Counts, Section, Slide, Spots

PITCH_PX = 100.0


class FakeSlide(Slide):
    """An image that is all one thing: what `picture` says."""

    def __init__(self, picture, side_px=10_000):
        self.path, self.picture = Path(f"{picture}.png"), picture
        self.width = self.height = side_px
        self.mpp = 2.0

    def read(self, xy, side_px, mpp):
        return np.full((side_px, side_px, 3), 255, dtype=np.uint8)

    def overview(self, mpp):
        return np.full((10, 10, 3), 255, dtype=np.uint8)

    def pixel_hash(self):
        return self.picture


def square_spots(n_spots, *, jitter_px=0.0, seed=0):
    columns = int(np.ceil(np.sqrt(n_spots)))
    at = np.arange(n_spots)
    xy = np.stack([at % columns, at // columns], axis=1) * PITCH_PX + PITCH_PX
    xy = xy + np.random.default_rng(seed).uniform(-jitter_px, jitter_px, xy.shape)
    ids = tuple(f"spot{i}" for i in at)
    return Spots(ids, xy.astype(np.float64), diameter_um=100.0, pitch_um=PITCH_PX * 2.0)


def fake_section(id_, patient, matrix, genes=None, picture=None, side_px=10_000):
    matrix = sp.csr_matrix(np.asarray(matrix) if not sp.issparse(matrix) else matrix)
    genes = tuple(genes) if genes else tuple(f"g{i:03d}" for i in range(matrix.shape[1]))
    counts = Counts(matrix, genes, tuple(f"name-{gene}" for gene in genes))
    slide = FakeSlide(picture or id_, side_px)
    return Section(id_, patient, slide, square_spots(matrix.shape[0]), counts)


def fake_cohort(sections):
    return Cohort([CohortEntry(s.id, s.patient, lambda s=s: s) for s in sections])


def patients_cohort(sizes):
    """A cohort from {patient: [spots of each section]}."""
    return fake_cohort(
        fake_section(f"{patient}{i}", patient, np.ones((n_spots, 2), dtype=np.int64))
        for patient, sections in sizes.items()
        for i, n_spots in enumerate(sections)
    )
