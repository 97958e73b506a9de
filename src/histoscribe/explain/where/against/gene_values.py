"""Genes as references: measured values of the spots, or the prediction of another gene."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from histoscribe.explain.where.against.reference import MapReference
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

_PER = 1e4  # counts of a spot that `cp10k-log1p` sets all spots to


def measured_reference(predictor: Predictor, section: Section, gene: int) -> MapReference | None:
    """Measured values of a panel gene; None for a section without counts of this gene.

    In the unit of the target. Of a predictor that was trained on whole samples, whose unit has no
    meaning for a spot, as log1p of counts per 10,000.
    """
    if section.counts is None:
        return None
    target = predictor.target
    panel = target.panel_counts(section)
    if target.samples:
        depth = np.maximum(panel.total, 1.0)[:, None]
        values, unit = np.log1p(panel.counts / depth * _PER)[:, gene], "cp10k-log1p"
    else:
        values, unit = target.values(panel)[:, gene], target.transform
    if not np.isfinite(values).any():
        return None
    label = predictor.gene_labels[gene]
    return _gene(values, "measured", label, f"measured {label} ({unit})")


def gene_reference(
    predictor: Predictor, predicted: Float[np.ndarray, "N G"], gene: int
) -> MapReference:
    """Predicted values of another panel gene, out of the predictions of all genes."""
    label = predictor.gene_labels[gene]
    words = f"the prediction of {label} ({predictor.target.unit})"
    return _gene(predicted[:, gene], "predicted", label, words)


def _gene(
    values: Float[np.ndarray, " N"], kind: Literal["measured", "predicted"], label: str, words: str
) -> MapReference:
    value = values.astype(np.float64)
    present = np.isfinite(value)
    middle = float(np.median(value[present]))
    return MapReference(
        name=f"{kind}_{label}",
        words=words,
        value=value,
        # of a gene that most spots lack, the median is zero: above it are the spots that have it
        positive=present & (value > middle),
        positive_words=f"the spots above the median of {words}",
        present=present,
    )
