"""Distribution of counts: negative binomial, with additional zeros or without."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import nbinom

from histoscribe.errors import DataContractError, Problem
from histoscribe.types import Prediction
from histoscribe.types.prediction import COUNTS_PER_SPOT

Total = Float[np.ndarray, " N"] | float | int
"""Total count over all genes of each spot, or the same of all."""
_LEAST_SPREAD = 1e-8  # 1 / theta of a Poisson distribution, after rounding
_LEAST_RATE = 1e-9


@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    """Negative binomial of each entry, with or without additional zeros.

    The variance of the negative binomial is mean + mean^2 / theta.
    """

    mean: Float[np.ndarray, "*S"]
    """Mean of the negative binomial, above 0."""
    inverse_dispersion: Float[np.ndarray, "*S"]
    """theta, above 0."""
    zero_inflation: Float[np.ndarray, "*S"] | float = 0.0
    """Probability of an additional zero."""

    def cdf(self, counts: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
        """Probability of a count of at most this; 0 below zero."""
        of_nb = nbinom.cdf(counts, self.inverse_dispersion, self._success)
        zeros = self.zero_inflation
        return np.where(counts < 0, 0.0, zeros + (1 - zeros) * of_nb)

    def quantile(self, level: float) -> Float[np.ndarray, "*S"]:
        """Smallest count with a probability of at least `level` up to it."""
        zeros = self.zero_inflation
        rest = np.clip((level - zeros) / (1 - zeros), 0.0, 1.0)
        # at a rest of 0 SciPy gives -1, the count below the support
        return np.maximum(nbinom.ppf(rest, self.inverse_dispersion, self._success), 0.0)

    @property
    def _success(self) -> Float[np.ndarray, "*S"]:
        return self.inverse_dispersion / (self.inverse_dispersion + self.mean)


def counts_at(prediction: Prediction, total: Total) -> NegativeBinomial:
    """Distribution of the counts of spots with these totals over all genes.

    Values and deviation refer to 10,000 counts: theta follows from both, and stays the same at
    another depth.

    Raises
    ------
    DataContractError
        for a prediction without deviations, or totals that are not above 0.
    """
    if prediction.deviation is None:
        raise DataContractError(_no_counts(prediction))
    depth = np.broadcast_to(np.asarray(total, dtype=np.float64), len(prediction.spots))
    if not (depth > 0).all():
        raise DataContractError(_no_depth(prediction, float(depth.min())))
    values = np.maximum(prediction.values.astype(np.float64), _LEAST_RATE)
    zeros = 0.0 if prediction.zero_inflation is None else prediction.zero_inflation.astype(float)
    rate = values / (1 - zeros)
    variance = np.square(prediction.deviation.astype(np.float64))
    # variance = mean (1 + rate (zeros + 1 / theta)), solved for 1 / theta
    spread = np.maximum((variance / values - 1) / rate - zeros, _LEAST_SPREAD)
    return NegativeBinomial(rate * depth[:, None] / COUNTS_PER_SPOT, 1 / spread, zeros)


def prediction_interval(
    prediction: Prediction,
    *,
    total: Total,
    level: float = 0.9,
) -> tuple[Float[np.ndarray, "N G"], Float[np.ndarray, "N G"]]:
    """Interval of the counts that spots of a stated depth will show, by the model.

    It contains the noise of counting, which grows as the total falls, so it is an interval for a
    depth and not for the expression. How well it holds on new patients is a matter of calibration
    (see the page on counts).

    Parameters
    ----------
    prediction
        Predicted expression of a model that was trained with the loss `nb` or `zinb`.
    total
        Total count over all genes, of each spot or of all.
    level
        Probability between the two counts; with counts it is at least this.

    Returns
    -------
    Lowest and highest count [N, G].

    Raises
    ------
    DataContractError
        for a prediction without deviations, or totals that are not above 0.
    ValueError
        for a level that is not between 0 and 1.

    Examples
    --------
    >>> import histoscribe as hs
    >>> prediction = hs.predict_slide("counts-mlp", "biopsy.svs")  # doctest: +SKIP
    >>> low, high = hs.prediction_interval(prediction, total=5_000)  # doctest: +SKIP
    """
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must be between 0 and 1")
    counts = counts_at(prediction, total)
    return counts.quantile((1 - level) / 2), counts.quantile((1 + level) / 2)


def _no_counts(prediction: Prediction) -> Problem:
    return Problem(
        where=f"prediction of {prediction.section} by {prediction.head.predictor}",
        found=f"values in {prediction.head.unit}, without deviations",
        expected="a prediction of counts, with mean and standard deviation",
        remedy='train the model with train.loss = "nb" or "zinb"',
    )


def _no_depth(prediction: Prediction, least: float) -> Problem:
    return Problem(
        where=f"prediction of {prediction.section}, total",
        found=f"a total of {least:g} counts",
        expected="totals above 0, over all genes of a spot",
        remedy="give the depth at which the spots were or will be sequenced",
    )
