"""A fitted model of either kind, with its exemplars, behind one interface."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.items.items import Items
from histoscribe.data.items.kinds import bags_to_predict, items_to_predict
from histoscribe.data.items.spots import Exemplars, SpotItems, SpotQueries
from histoscribe.models.base import Estimator, ExpressionModel
from histoscribe.precision import Precision, offered
from histoscribe.predictor.finite import check_finite, check_finite_spots
from histoscribe.predictor.forward import (
    Columns,
    ItemPrediction,
    agreed_precision,
    evidence_of_spots,
    predict_items,
    predict_spots,
)
from histoscribe.transfer import placed
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
    deviation: Float[np.ndarray, "M G"] | None = None
    """Standard deviation between the members of an ensemble; None of a single model."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model and, for models with exemplars, the pool of training spots."""

    model: Estimator | ExpressionModel
    lookup: Lookup | None = None
    pathways: Pathways | None = None
    """Gene sets of the scores of pathways; None for a model without, or with scores of no set."""
    others: tuple[ExpressionModel, ...] = ()
    """Other members of an ensemble of a bag model; the prediction is the mean of all."""

    @property
    def members(self) -> tuple[ExpressionModel, ...]:
        """Networks of an ensemble; empty for closed-form models."""
        return () if isinstance(self.model, Estimator) else (self.model, *self.others)

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

    def to(self, device: torch.device) -> None:
        """Move all members to a device; a closed-form model has none."""
        for member in self.members:
            placed(member, device)

    def predict(
        self,
        queries: SpotQueries,
        device: torch.device | None = None,
        precision: Precision = "float32",
    ) -> Predicted:
        """Predict spots without gradients, with everything else that the model says of them.

        Networks that read tiles or many spots run on `device`, and exemplars are looked up there. A
        section model treats the given spots of a section as the whole section: give all of them. A
        bag model predicts each spot as if it were a whole bag, which gives a map of the bag; its
        evidence is that of each spot within its bag. `precision` is what `agreed_precision` gave.

        Raises
        ------
        DataContractError
            if a spot has too few permitted exemplars.
        """
        model = self.model
        if isinstance(model, Estimator):
            values = model.predict(queries.feature)
            check_finite_spots(queries, {"": values})
            return Predicted(values)
        spots, exemplars = self._spots(queries, device)
        if device is not None and (queries.image is not None or model.item != "spot"):
            self.to(device)
        predicted = _mean_of(
            [
                predict_spots(member, items_to_predict(model.item, spots), precision)
                for member in self.members
            ]
        )
        of_bag: Columns = {}
        if model.item == "bag":
            bags = bags_to_predict(spots)
            of_bag = _mean_columns([evidence_of_spots(member, bags) for member in self.members])
        check_finite_spots(
            queries, {"": predicted.expression, **predicted.heads, **predicted.layers}
        )
        evidence = {**exemplars, **predicted.heads, **of_bag}
        return Predicted(predicted.expression, evidence, predicted.layers)

    def agreed_precision(
        self, queries: SpotQueries, device: torch.device, precision: Precision
    ) -> Precision:
        """Precision of `predict` on a device, tried on the first of these spots."""
        reads_tiles = queries.image is not None
        is_tried = reads_tiles and offered(precision, device) == "bfloat16"
        if isinstance(self.model, Estimator) or not is_tried:
            return "float32"
        self.to(device)
        items = self.items(queries, device)
        return agreed_precision(self.model, items, np.arange(len(items)), precision)

    def predict_bags(self, queries: SpotQueries) -> BagValues:
        """Predict the bags of these spots, one per patient.

        Raises TypeError for a model whose item is no bag.
        """
        model = self.model
        if isinstance(model, Estimator) or model.item != "bag":
            raise TypeError(f"{model.name} predicts spots, not bags")
        bags = bags_to_predict(SpotItems(queries))
        names = queries.keys.patient_names
        return self.values_of_bags(bags, tuple(str(names[run[0]]) for run in bags.runs))

    def values_of_bags(self, bags: Items, patients: tuple[str, ...]) -> BagValues:
        """Predict these items of a bag model: the mean of its members, and their deviation."""
        parts = [predict_items(member, bags, np.arange(len(bags))) for member in self.members]
        predicted, deviation = _mean_of(parts), None
        if len(parts) > 1:
            deviation = np.std([part.expression for part in parts], axis=0, ddof=1)
        check_finite(predicted.expression, lambda row: f"patient {patients[row]}")
        return BagValues(
            patients, predicted.expression, predicted.heads, predicted.layers, deviation
        )

    def predict_means(self, feature: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "M G"]:
        """Predict bags from their mean features with a closed-form model.

        Raises TypeError for a network, which reads the tiles of a bag.
        """
        if not isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} reads tiles, not mean features")
        values = self.model.predict(feature)
        check_finite(values, lambda row: f"bag {row + 1}")
        return values

    def items(self, queries: SpotQueries, device: torch.device | None = None) -> Items:
        """Items from which a network predicts each of these spots; `device` looks up exemplars.

        Raises TypeError for a model that is no network.
        """
        if isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} is no network")
        return items_to_predict(self.model.item, self._spots(queries, device)[0])

    def _spots(
        self, queries: SpotQueries, device: torch.device | None
    ) -> tuple[SpotItems, Columns]:
        """Spots with their exemplars, and the retrieved exemplars."""
        if self.lookup is None:
            return SpotItems(queries), {}
        found = self.lookup.of(queries, device or "cpu")
        exemplars = Exemplars(self.lookup.pool.feature, self.lookup.pool.target, found.rows)
        evidence = {
            "exemplar_row": found.rows.astype(np.float64),
            "exemplar_distance": found.distance.astype(np.float64),
        }
        return SpotItems(queries, exemplars), evidence


def _mean_of(parts: Sequence[ItemPrediction]) -> ItemPrediction:
    """Average the predictions of an ensemble; a single prediction stays unchanged."""
    if len(parts) == 1:
        return parts[0]
    return ItemPrediction(
        np.mean([part.expression for part in parts], axis=0),
        _mean_columns([part.heads for part in parts]),
        _mean_columns([part.layers for part in parts]),
    )


def _mean_columns(parts: Sequence[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}
