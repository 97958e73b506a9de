"""Attention shares in regions of high prediction and in regions of low prediction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.surrogates import surrogates
from histoscribe.explain.where.untrained_range import wider_range

THIRDS: Mapping[str, str] = {"upper_third": "highest", "lower_third": "lowest"}
N_SURROGATES = 199
"""Random maps in place of the prediction of a gene; more need much memory on large sections."""
_SEED = 0  # of surrogates; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class ThirdShares:
    """Share of attention that falls in one third of the spots, for each gene."""

    name: str
    """A key of `THIRDS`."""
    by_gene: Float[np.ndarray, " K"]
    surrogates: Float[np.ndarray, "K draws"]
    """The same for equally smooth random maps in place of the prediction."""
    untrained: Float[np.ndarray, "ensembles K"]
    """The same of untrained networks; no rows without any."""

    @property
    def numbers(self) -> tuple[list[Number], list[Number]]:
        """The mean over genes, beside the wider range of both kinds of chance, and each of them."""
        meaning = (
            f"share of the attention in the third of the spots with the {THIRDS[self.name]} "
            "prediction"
        )
        value = Number(self.name, defined_mean(self.by_gene), f"{meaning}; mean over genes")
        smooth = Number.of_draws(
            self.name,
            self.surrogates.mean(axis=0),
            f"{meaning}, equally smooth random maps as prediction",
        )
        return [value], [*wider_range(smooth, self.untrained.mean(axis=1))]


def third_shares(
    attention: Float[np.ndarray, "K N"],
    prediction: Float[np.ndarray, "K N"],
    um: Float[np.ndarray, "N 2"],
    untrained: Iterable[tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]],
) -> tuple[ThirdShares, ThirdShares]:
    """Shares in the upper and in the lower third; attention is zero or above.

    Parameters
    ----------
    untrained
        Attention and prediction of each ensemble of untrained networks.
    """
    genes = list(zip(attention, prediction, strict=True))
    value = np.array([shares(weight, level[None])[:, 0] for weight, level in genes])
    random = [shares(weight, surrogates(level, um, N_SURROGATES, _SEED)) for weight, level in genes]
    nets = np.array(
        [
            [shares(weight, level[None])[:, 0] for weight, level in zip(*pair, strict=True)]
            for pair in untrained
        ]
    ).reshape(-1, len(genes), 2)
    upper, lower = (
        ThirdShares(name, value[:, place], np.array([of[place] for of in random]), nets[..., place])
        for place, name in enumerate(THIRDS)
    )
    return upper, lower


def shares(
    weight: Float[np.ndarray, " N"], levels: Float[np.ndarray, "n N"]
) -> Float[np.ndarray, "2 n"]:
    """Share of the weight in the third of the spots with the highest and the lowest level.

    NaN for levels that are undefined or the same everywhere.
    """
    third = max(1, round(len(weight) / 3))
    order: Int[np.ndarray, "n N"] = np.argsort(levels, axis=1, kind="stable")
    total = weight.sum()
    ends = np.stack([weight[order[:, -third:]].sum(axis=1), weight[order[:, :third]].sum(axis=1)])
    unordered = np.isnan(levels).any(axis=1) | (np.ptp(levels, axis=1) == 0)
    return np.where(unordered, np.nan, ends / total)
