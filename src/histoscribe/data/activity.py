"""Activity of pathways: what a pathway score of a spot is compared with."""

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.data.measured_genes import PanelCounts
from histoscribe.data.transform import Cp10kLog1p
from histoscribe.types import Pathways

_LEAST_DEVIATION = 1e-6
"""A gene that varies less over the spots of a section is constant there, and adds 0."""


def measured_activity(panel: PanelCounts, pathways: Pathways) -> Float32[np.ndarray, "N P"]:
    """Activity of each pathway in the spots of one section, from raw counts.

    Counts per 10,000 of all genes, log1p, z-score of each gene over these spots, mean over the
    members. A member that the section did not measure is left out; NaN for a pathway without any
    measured member. No unit; zero on average in every section, so sections cannot be compared.
    """
    return activity_of_values(Cp10kLog1p().apply(panel), pathways)


def activity_of_values(
    values: Float[np.ndarray, "N G"], pathways: Pathways
) -> Float32[np.ndarray, "N P"]:
    """Mean z-score of the members, from values of the panel in the spots of one section."""
    scores = gene_z_scores(values)
    known = np.isfinite(scores).all(axis=0)
    weight = (pathways.members & known).astype(np.float64)
    n_members = weight.sum(axis=1)
    total = np.where(known, scores, 0.0) @ weight.T
    return np.where(n_members > 0, total / np.maximum(n_members, 1.0), np.nan).astype(np.float32)


def gene_z_scores(values: Float[np.ndarray, "N G"]) -> Float[np.ndarray, "N G"]:
    """Z-score of each gene over the spots of one section.

    NaN for a gene that was not measured; 0 for one that is constant there.
    """
    values = values.astype(np.float64)
    known = np.isfinite(values).all(axis=0)
    filled = np.where(known, values, 0.0)
    centred, deviation = filled - filled.mean(axis=0), filled.std(axis=0)
    varies = deviation >= _LEAST_DEVIATION
    scores = np.where(varies, centred, 0.0) / np.where(varies, deviation, 1.0)
    return np.where(known, scores, np.nan)
