"""The range of a number by chance, where maps of untrained networks are chance, too."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from histoscribe.explain.finding import Number
from histoscribe.explain.where.against.reference import AgainstResult, MapReference

_RANDOM = "networks with random weights"


def wider_range(smooth: Number, untrained: Float[np.ndarray, " ensembles"]) -> tuple[Number, ...]:
    """Widen the range of equally smooth random maps to that of untrained networks.

    Spots that look alike get alike values from any network, trained or not. So a map of a network
    that has learned nothing may follow the tissue more than a random map does.

    Returns
    -------
    The wider range under the same name, then both under names of their own. The range alone where
    nothing untrained was drawn, or a value is undefined.
    """
    if not len(untrained) or np.isnan(untrained).any():
        return (smooth,)
    random = Number.of_draws(f"{smooth.name}_random_weights", untrained, f"the same, {_RANDOM}")
    if None in (smooth.low, smooth.high):
        return smooth, random
    low, high = np.percentile(untrained, [2.5, 97.5])
    wider = Number(
        smooth.name,
        random.value,
        f"{smooth.meaning}, or of {_RANDOM}: the wider range of both",
        float(min(smooth.low or 0.0, low)),
        float(max(smooth.high or 0.0, high)),
    )
    return wider, replace(smooth, name=f"{smooth.name}_surrogates"), random


def wider_against(
    result: AgainstResult, untrained: Float[np.ndarray, "ensembles N"]
) -> Iterator[Number]:
    """Numbers of a comparison by chance, of random maps and of maps by untrained networks."""
    reference = result.reference
    measures = {
        f"correlation_{reference.name}": _correlations,
        f"auroc_{reference.name}": _aurocs,
    }
    for smooth in result.null:
        draws = measures[smooth.name](untrained, reference) if len(untrained) else np.zeros(0)
        yield from wider_range(smooth, draws)


def _correlations(
    maps: Float[np.ndarray, "n N"], reference: MapReference
) -> Float[np.ndarray, " n"]:
    if reference.value is None:
        raise ValueError(f"{reference.name} has no values")
    known = reference.present
    values = reference.value[known]
    return np.array([np.corrcoef(one[known], values)[0, 1] for one in maps])


def _aurocs(maps: Float[np.ndarray, "n N"], reference: MapReference) -> Float[np.ndarray, " n"]:
    positive = reference.positive[reference.present]
    n_inside, n_outside = positive.sum(), (~positive).sum()
    if not n_inside or not n_outside:
        return np.full(len(maps), np.nan)
    ranks = rankdata(maps[:, reference.present], axis=1)
    above = ranks[:, positive].sum(axis=1) - n_inside * (n_inside + 1) / 2
    return above / (n_inside * n_outside)
