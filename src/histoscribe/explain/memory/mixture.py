"""One group of losses or two: Gaussian mixtures over their logarithm, chosen by BIC."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from sklearn.mixture import GaussianMixture

_STARTS = 5
"""Starts of the fit of two components; the likeliest is kept."""
_LEAST_LOSS = 1e-12  # a label that is predicted exactly has no logarithm
_MOST_WEIGHT = 0.5
_SEED = 0  # of the starts; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class LossMixture:
    """Fits of one and of two Gaussian components to the logarithm of losses."""

    log_loss: Float[np.ndarray, " N"]
    weight: Float[np.ndarray, " 2"]
    """Of two components, the one with lower losses first; so below."""
    mean: Float[np.ndarray, " 2"]
    deviation: Float[np.ndarray, " 2"]
    of_higher: Float[np.ndarray, " N"]
    """Probability of each spot that it is of the component with higher losses."""
    bic_gain: float
    """BIC of one component minus that of two: above 0, two describe the losses better."""

    @classmethod
    def of(cls, loss: Float[np.ndarray, " N"]) -> "LossMixture":
        """Fit both to positive losses; equal losses give equal fits.

        Schwarz 1978 (doi:10.1214/aos/1176344136) for BIC.
        """
        log_loss = np.log(np.maximum(loss, _LEAST_LOSS))
        column = log_loss[:, None]
        one, two = (
            GaussianMixture(n, n_init=_STARTS if n > 1 else 1, random_state=_SEED).fit(column)
            for n in (1, 2)
        )
        order = np.argsort(two.means_[:, 0], kind="stable")
        return cls(
            log_loss=log_loss,
            weight=two.weights_[order],
            mean=two.means_[order, 0],
            deviation=np.sqrt(two.covariances_[order, 0, 0]),
            of_higher=two.predict_proba(column)[:, order[1]],
            bic_gain=float(one.bic(column) - two.bic(column)),
        )

    @property
    def n_components(self) -> int:
        """Components that BIC prefers."""
        return 2 if self.bic_gain > 0 else 1

    @property
    def suspicious(self) -> Bool[np.ndarray, " N"]:
        """Spots that are more likely of the higher component; none where one is preferred.

        None either if the higher component has most of the weight: then the lower one describes a
        tail of low losses, and no group of spots stands out by high ones.
        """
        stands_out = self.n_components > 1 and self.weight[1] < _MOST_WEIGHT
        return (self.of_higher > 0.5) & stands_out

    def density(self, log_loss: Float[np.ndarray, " n"]) -> Float[np.ndarray, "components n"]:
        """Density of each component of the fit that BIC prefers, by its weight."""
        if self.n_components == 1:
            whole = self.log_loss.std()
            weight, mean, deviation = np.ones(1), self.log_loss.mean(keepdims=True), whole[None]
        else:
            weight, mean, deviation = self.weight, self.mean, self.deviation
        z = (log_loss - mean[:, None]) / deviation[:, None]
        return (weight / deviation)[:, None] * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
