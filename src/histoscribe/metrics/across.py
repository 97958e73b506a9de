"""Metrics with one number for a section, and the correlation pooled over sections."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.metrics.spatial import moran_i


def pearson_per_spot(evaluated: Evaluated) -> Float[np.ndarray, " N"]:
    """Pearson correlation of each spot over its measured genes; NaN where these are all equal."""
    measured = np.isfinite(evaluated.measured).all(axis=0)
    if not measured.any():
        return np.full(len(evaluated.measured), np.nan)
    return pearson_per_gene(
        np.ascontiguousarray(evaluated.predicted[:, measured].T),
        np.ascontiguousarray(evaluated.measured[:, measured].T),
    )


def pcc_spot(evaluated: Evaluated) -> float:
    """Mean over spots of the Pearson correlation over genes; undefined spots are left out.

    This metric rewards knowing which genes are high everywhere: the training mean scores well.
    """
    scores = pearson_per_spot(evaluated)
    defined = scores[np.isfinite(scores)]
    return float(defined.mean()) if defined.size else float("nan")


def moran_r(evaluated: Evaluated) -> float:
    """Pearson correlation over genes between Moran's I of prediction and of truth.

    Genes that are constant in the truth are left out; a constant prediction has Moran's I 0. NaN
    with fewer than three genes, or where Moran's I of the truth is equal in all genes.
    """
    if evaluated.graph is None:
        raise ValueError("moran_r needs the neighbour graph of the evaluated spots")
    varies = evaluated.varies
    truth = moran_i(evaluated.measured[:, varies], evaluated.graph)
    found = moran_i(evaluated.predicted[:, varies], evaluated.graph)
    found = np.where(evaluated.moments.x_constant[varies], 0.0, found)
    defined = np.isfinite(truth) & np.isfinite(found)
    if defined.sum() < 3:
        return float("nan")
    return float(pearson_per_gene(found[defined, None], truth[defined, None])[0])


def pcc_pooled(sections: Sequence[Evaluated]) -> Float[np.ndarray, " G"]:
    """Pearson correlation of each gene over all test spots of a fold (as EGN and HEST do).

    Undefined cases are those of `pcc`. A gene that some sections did not measure is pooled over the
    sections that did. Differences in level between sections count in this metric: compare it with
    `pcc` before calling it morphology.
    """
    measured = np.array([np.isfinite(part.moments.yy) for part in sections])
    scores = np.full(measured.shape[1], np.nan)
    for where in np.unique(measured, axis=1).T:
        genes = (measured == where[:, None]).all(axis=0)
        parts = [part for part, there in zip(sections, where, strict=True) if there]
        if parts:
            scores[genes] = pearson_per_gene(
                np.concatenate([part.predicted[:, genes] for part in parts]),
                np.concatenate([part.measured[:, genes] for part in parts]),
            )
    return scores
