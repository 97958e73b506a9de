"""Limits of a predictor: values and places beyond its training are clipped, masked and counted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from histoscribe.predictor.fitted_model import Predicted
from histoscribe.types import CLIPPED, DISTANCE, PATHWAYS, TRUSTED, Prediction

Layers = Mapping[str, Float[np.ndarray, "N G"]]

LEAST_TRUSTED = 0.5
"""Share of trusted places below which no gene of a section is offered as trusted."""


@dataclass(frozen=True, eq=False)
class ValueRange:
    """Least and greatest measured value of each gene over the training items.

    In the unit of the target. The range is that of measured values, not of predicted ones:
    predictions are flatter than the truth, so their range would cut sound values of new patients.
    """

    low: Float32[np.ndarray, " G"]
    high: Float32[np.ndarray, " G"]

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape:
            raise ValueError(f"{self.low.shape} lowest values, {self.high.shape} highest")
        if not (np.isfinite(self.low) & np.isfinite(self.high) & (self.low <= self.high)).all():
            raise ValueError("a range of values needs finite numbers, the lowest first")

    @classmethod
    def of(cls, target: Float[np.ndarray, "N G"]) -> "ValueRange":
        """Range over the rows; NaN of a section without the gene is left out."""
        low, high = np.fmin.reduce(target), np.fmax.reduce(target)
        return cls(low.astype(np.float32), high.astype(np.float32))

    def arrays(self) -> dict[str, np.ndarray]:
        """Saved arrays, by name."""
        return {"low": self.low, "high": self.high}

    def clip(self, values: Float[np.ndarray, "N G"]) -> Float[np.ndarray, "N G"]:
        """Values within the range; others become its nearest end."""
        return np.clip(values, self.low, self.high)


def is_beyond(distance: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Whether places are beyond the training tissue; False where the distance is unknown."""
    return distance > 1


def beyond_training(prediction: Prediction) -> Bool[np.ndarray, " N"] | None:
    """Spots beyond the training tissue; None for a prediction without distances."""
    distance = prediction.head.spot_facts.get(DISTANCE)
    return None if distance is None else is_beyond(distance)


def is_trusted(distance: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Whether places are known to be like the training tissue; False for unknown distances."""
    return distance <= 1


def within_limits(
    predicted: Predicted,
    distance: Float[np.ndarray, " N"],
    value_range: ValueRange | None,
    *,
    keep_unlike: bool,
) -> tuple[Predicted, dict[str, Float[np.ndarray, " N"]]]:
    """Clip values to the range and mask places beyond training, unless they are kept.

    Without a range nothing is clipped. Masked places are NaN in values, layers and the scores of
    pathways. The deviation of a clipped count follows its value, at the same dispersion.

    Returns
    -------
    The prediction within the limits, and for each place its distance, whether it is `trusted`, and
    the number of genes whose values were clipped.
    """
    values, layers = predicted.values.astype(np.float32), dict(predicted.layers)
    n_clipped = np.zeros(len(values))
    if value_range is not None:
        inside = value_range.clip(values)
        n_clipped = (inside != values).sum(axis=1).astype(np.float64)
        if "deviation" in layers:
            layers["deviation"] = _deviation_at(inside, values, layers["deviation"])
        values = inside
    evidence = dict(predicted.evidence)
    if not keep_unlike:
        beyond = is_beyond(distance)
        values, layers = _masked(values, beyond), {n: _masked(v, beyond) for n, v in layers.items()}
        if PATHWAYS in evidence:
            evidence[PATHWAYS] = _masked(evidence[PATHWAYS], beyond)
    facts = {DISTANCE: distance, TRUSTED: is_trusted(distance).astype(np.float64)}
    limited = replace(predicted, values=values, layers=layers, evidence=evidence)
    return limited, {**facts, CLIPPED: n_clipped}


@dataclass(frozen=True, kw_only=True)
class BeyondTraining:
    """Number of places of a section or patient beyond the training, and of clipped values."""

    n_places: int
    n_beyond: int
    """Places beyond the training tissue."""
    n_trusted: int
    """Places known to be like the training tissue; the others are beyond or unknown."""
    n_values: int
    """Values that are given: without those of masked places."""
    n_clipped: int
    """Of these, the number that was clipped to the range of the training."""
    masked: bool
    """Whether the values of places beyond training are left out."""

    @classmethod
    def of(
        cls, spot_facts: Mapping[str, Float[np.ndarray, " N"]], n_genes: int, *, keep_unlike: bool
    ) -> "BeyondTraining":
        """Count the facts of the spots of a prediction of `n_genes` genes."""
        distance, clipped = spot_facts[DISTANCE], spot_facts[CLIPPED]
        beyond = is_beyond(distance)
        given = np.ones_like(beyond) if keep_unlike else ~beyond
        return cls(
            n_places=len(distance),
            n_beyond=int(beyond.sum()),
            n_trusted=int(is_trusted(distance).sum()),
            n_values=int(given.sum()) * n_genes,
            n_clipped=int(clipped[given].sum()),
            masked=not keep_unlike,
        )

    @property
    def share(self) -> float | None:
        """Share of places beyond training; None where no distance is known."""
        return self.n_beyond / self.n_places if self.n_beyond + self.n_trusted else None

    @property
    def words(self) -> str:
        """The numbers as a sentence."""
        unlike = f"{self.n_beyond:,} of {self.n_places:,} positions are beyond the training"
        clipped = f"{self.n_clipped:,} values outside its range were clipped"
        return f"{unlike} and {'masked' if self.masked else 'kept'}; {clipped}"

    @property
    def offers_genes(self) -> bool:
        """Whether genes can be offered as trusted: at least half of the places are trusted."""
        return self.n_trusted >= LEAST_TRUSTED * self.n_places

    def offered(
        self, gene_facts: Mapping[str, Float[np.ndarray, " G"]]
    ) -> dict[str, Float[np.ndarray, " G"]]:
        """Scores of the genes on held-out patients; NaN where they say nothing of this tissue."""
        if self.offers_genes:
            return dict(gene_facts)
        return {name: np.full_like(values, np.nan) for name, values in gene_facts.items()}

    def bag_values(
        self, values: Float[np.ndarray, " G"], value_range: ValueRange
    ) -> Float[np.ndarray, " G"]:
        """Values of a bag of these places: clipped, and NaN if most of it is beyond training."""
        return self.bag_deviation(value_range.clip(values[None])[0])

    def bag_deviation(self, values: Float[np.ndarray, " G"]) -> Float[np.ndarray, " G"]:
        """Disagreement of the members about a bag; NaN where its values are."""
        left_out = self.masked and not self.offers_genes
        return np.full_like(values, np.nan) if left_out else values


def _masked(values: Float[np.ndarray, "N _"], beyond: Bool[np.ndarray, " N"]) -> np.ndarray:
    """Values without those of places beyond training; the same array if there are none."""
    if not beyond.any():
        return values
    return np.where(beyond[:, None], np.nan, values).astype(values.dtype)


def _deviation_at(
    inside: Float[np.ndarray, "N G"],
    values: Float[np.ndarray, "N G"],
    deviation: Float[np.ndarray, "N G"],
) -> Float[np.ndarray, "N G"]:
    """Deviations of the clipped counts, at the dispersion and zero inflation of the others."""
    clipped = inside != values
    mean, variance = values[clipped].astype(np.float64), np.square(deviation[clipped], dtype=float)
    within = inside[clipped].astype(np.float64)
    # variance = mean + mean^2 x, where x holds dispersion and zero inflation
    more = np.square(within / mean) * np.maximum(variance - mean, 0.0)
    found = deviation.astype(np.float64)
    found[clipped] = np.sqrt(within + more)
    return found.astype(deviation.dtype)
