"""A fitted model of either kind, with what it looks up, asked in one way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.items.spots import Exemplars, SpotItems, SpotQueries
from histoscribe.models.base import Estimator, ExpressionModel
from histoscribe.predictor.forward import predict_rows


@dataclass(frozen=True, eq=False)
class Predicted:
    """Values of some spots, and what they rest on."""

    values: Float[np.ndarray, "N G"]
    evidence: Mapping[str, Float[np.ndarray, "N _"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model and, where it is shown exemplars, the training spots they are taken from."""

    model: Estimator | ExpressionModel
    lookup: Lookup | None = None

    def predict(self, queries: SpotQueries, device: torch.device | None = None) -> Predicted:
        """Predict spots, without gradients; a network that sees tiles on `device`, else on CPU.

        Raises
        ------
        DataContractError
            Too few exemplars may be shown beside a spot.
        """
        model = self.model
        if isinstance(model, Estimator):
            return Predicted(model.predict(queries.feature))
        seen, evidence = self.seen(queries)
        if device is not None and queries.image is not None:
            model.to(device)
        values = predict_rows(model, seen, np.arange(len(queries)))
        return Predicted(values, evidence)

    @property
    def evidence(self) -> Mapping[str, int]:
        """What predictions rest on, by name, and how many numbers a spot that is."""
        if self.lookup is None:
            return {}
        n = self.lookup.settings.n
        return {"exemplar_row": n, "exemplar_distance": n}

    def seen(
        self, queries: SpotQueries
    ) -> tuple[SpotItems, Mapping[str, Float[np.ndarray, "N _"]]]:
        """What a network is shown of these spots, and which exemplars were looked up."""
        if self.lookup is None:
            return SpotItems(queries.feature, queries.image), {}
        found = self.lookup.of(queries)
        exemplars = Exemplars(self.lookup.pool.feature, self.lookup.pool.target, found.rows)
        evidence = {
            "exemplar_row": found.rows.astype(np.float64),
            "exemplar_distance": found.distance.astype(np.float64),
        }
        return SpotItems(queries.feature, queries.image, exemplars), evidence
