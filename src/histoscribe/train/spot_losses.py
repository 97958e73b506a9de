"""Loss of each training spot over the epochs, recorded beside a training that stays the same."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from histoscribe.data.items.kinds import Sides
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.forward import predict_items
from histoscribe.train.validation import measured_values


@final
class SpotLosses:
    """Squared error of each training spot before training and after each epoch, mean over genes.

    It is that of the label that training used, in the unit of the target, whatever loss training
    minimises: not every one of those can be told spot by spot. The network is asked in eval mode
    and nothing is drawn, so training ends in the same bits with and without a record.
    """

    def __init__(self, n_spots: int) -> None:
        self._n_spots = n_spots
        self._rows = np.zeros(0, dtype=np.int64)
        self._epochs: list[Float[np.ndarray, " n"]] = []

    @property
    def rows(self) -> Int[np.ndarray, " n"]:
        """Row of each recorded spot in the training table; jittered views have none."""
        return self._rows

    @property
    def n_recorded(self) -> int:
        """Number of records: the one before training, and those of the epochs."""
        return len(self._epochs)

    @property
    def values(self) -> Float[np.ndarray, "records n"]:
        """Loss of each recorded spot, first before training and then after each epoch.

        Genes that its section lacks are left out; NaN for a spot without any gene.
        """
        return np.stack(self._epochs)

    def add(self, model: ExpressionModel, sides: Sides) -> None:
        """Record the present losses of a network."""
        spots = sides.items.spots(sides.fit)
        if spots is None:
            raise ValueError(f"{model.name} predicts no spots of its training items")
        once = spots < self._n_spots
        predicted = predict_items(model, sides.items, sides.fit).expression[once]
        measured = measured_values(sides.items, sides.fit)[once]
        error = np.square(predicted - measured, dtype=np.float64)
        n_genes = np.isfinite(error).sum(axis=1)
        with np.errstate(invalid="ignore"):
            self._epochs.append(np.nansum(error, axis=1) / np.where(n_genes, n_genes, np.nan))
        self._rows = spots[once]

    def state(self) -> dict[str, Tensor]:
        """State for a resumed run."""
        return {
            "rows": torch.from_numpy(self._rows),
            "values": torch.from_numpy(np.array(self._epochs)),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self._rows, self._epochs = state["rows"].numpy(), [*state["values"].numpy()]
