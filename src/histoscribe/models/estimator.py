"""Base class of models that are fitted in closed form."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from histoscribe.types import SpotTable


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """Settings of a model without settings."""

    @classmethod
    def tiny(cls) -> "NoConfig":
        """Settings for tests."""
        return cls()


class Estimator(ABC):
    """A model that is fitted in closed form, in the shape of scikit-learn.

    `fit` reads only the training spots of one fold; choices (alpha, number of neighbours) are made
    on `table.inner`. `state` holds everything that `predict` needs.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[Any] = NoConfig
    encoder: ClassVar[str | None] = None
    """The only encoder that this model reads; None for the encoder of the run."""

    choice: Mapping[str, Any] = {}
    """Settings that `fit` chose on the inner folds, with their scores; JSON."""

    axes: ClassVar[Mapping[str, str]] = {}
    """Axes of each array of `state`: D features, G genes, a number, or any letter for a length that
    its arrays share, e.g. `{"weights": "D G"}`. A saved predictor is held to them; empty: only to
    finite numbers.
    """

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    @abstractmethod
    def fit(self, table: SpotTable) -> "Estimator":
        """Fit on the training spots."""

    @abstractmethod
    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """Predict spots from their features."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Give the fitted arrays by name."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> "Estimator":
        """Restore the arrays of `state`; a missing or additional name is an error."""
