"""A fitted model of either kind, with its exemplars, behind one interface."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.items.items import Items
from histoscribe.data.items.kinds import bags_to_predict, items_to_predict
from histoscribe.data.items.spots import Exemplars, SpotItems, SpotQueries
from histoscribe.models.base import Estimator, ExpressionModel
from histoscribe.predictor.forward import (
    Columns,
    evidence_of_spots,
    predict_items,
    predict_spots,
)
from histoscribe.types import PATHWAYS, CountFamily, Item, Pathways


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predicted values of spots, with their evidence."""

    values: Float[np.ndarray, "N G"]
    evidence: Columns = field(default_factory=dict)
    """Further outputs of the model, the exemplars, and the evidence of a bag model, by name."""
    layers: Columns = field(default_factory=dict)
    """As `Prediction.layers`."""


@dataclass(frozen=True, eq=False)
class BagValues:
    """Predicted values of whole bags."""

    patients: tuple[str, ...]
    """Patient of each bag; `unknown` without one."""
    values: Float[np.ndarray, "M G"]
    heads: Columns = field(default_factory=dict)
    """Further outputs of the model for each bag, by name."""
    layers: Columns = field(default_factory=dict)
    """As `Prediction.layers`, with a row for each bag."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model and, for models with exemplars, the pool of training spots."""

    model: Estimator | ExpressionModel
    lookup: Lookup | None = None
    pathways: Pathways | None = None
    """Gene sets of the scores of pathways; None for a model without, or with scores of no set."""

    @property
    def item(self) -> Item:
        """Kind of item of the model: a spot, a section or a bag."""
        return "spot" if isinstance(self.model, Estimator) else self.model.item

    @property
    def counts(self) -> CountFamily | None:
        """Family of the count distribution that it predicts; None for a model of values."""
        return None if isinstance(self.model, Estimator) else self.model.counts

    @property
    def evidence_names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the columns of evidence, where they have names: those of the gene sets."""
        return {} if self.pathways is None else {PATHWAYS: self.pathways.names}

    def predict(self, queries: SpotQueries, device: torch.device | None = None) -> Predicted:
        """Predict spots without gradients, with everything else that the model says of them.

        Networks that read tiles or many spots run on `device`. A section model treats the given
        spots of a section as the whole section: give all of them. A bag model predicts each spot as
        if it were a whole bag, which gives a map of the bag; its evidence is that of each spot
        within its bag.

        Raises
        ------
        DataContractError
            if a spot has too few permitted exemplars.
        """
        model = self.model
        if isinstance(model, Estimator):
            return Predicted(model.predict(queries.feature))
        spots, exemplars = self._spots(queries)
        if device is not None and (queries.image is not None or model.item != "spot"):
            model.to(device)
        predicted = predict_spots(model, items_to_predict(model.item, spots))
        of_bag = evidence_of_spots(model, bags_to_predict(spots)) if model.item == "bag" else {}
        evidence = {**exemplars, **predicted.heads, **of_bag}
        return Predicted(predicted.expression, evidence, predicted.layers)

    def predict_bags(self, queries: SpotQueries) -> BagValues:
        """Predict the bags of these spots, one per patient.

        Raises TypeError for a model whose item is no bag.
        """
        model = self.model
        if isinstance(model, Estimator) or model.item != "bag":
            raise TypeError(f"{model.name} predicts spots, not bags")
        bags = bags_to_predict(SpotItems(queries))
        every = np.arange(len(bags))
        names = queries.keys.patient_names
        patients = tuple(str(names[bags.runs[bag][0]]) for bag in every)
        predicted = predict_items(model, bags, every)
        return BagValues(patients, predicted.expression, predicted.heads, predicted.layers)

    def items(self, queries: SpotQueries) -> Items:
        """Items from which a network predicts each of these spots.

        Raises TypeError for a model that is no network.
        """
        if isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} is no network")
        return items_to_predict(self.model.item, self._spots(queries)[0])

    def _spots(self, queries: SpotQueries) -> tuple[SpotItems, Columns]:
        """Spots with their exemplars, and the retrieved exemplars."""
        if self.lookup is None:
            return SpotItems(queries), {}
        found = self.lookup.of(queries)
        exemplars = Exemplars(self.lookup.pool.feature, self.lookup.pool.target, found.rows)
        evidence = {
            "exemplar_row": found.rows.astype(np.float64),
            "exemplar_distance": found.distance.astype(np.float64),
        }
        return SpotItems(queries, exemplars), evidence
