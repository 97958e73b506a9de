"""The predictor: a fitted model that predicts sections, saved as one folder without pickles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.features import features
from histoscribe.data.images import HeldTiles, SlideTiles
from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.data.target import Target
from histoscribe.device import choose_device
from histoscribe.encoders.encoder import Encoder
from histoscribe.io.weights import cache_folder
from histoscribe.lazy import MethodOf
from histoscribe.models.base import Estimator, ExpressionModel, reads_tiles
from histoscribe.predictor.encoding import Encoding, WeightFiles
from histoscribe.predictor.fitted_model import Fitted, Predicted
from histoscribe.predictor.gene_scores import (
    Benchmarked,
    GeneScores,
    gene_scores_of_run,
)
from histoscribe.predictor.limits import BeyondTraining, ValueRange, within_limits
from histoscribe.predictor.reference import Reference
from histoscribe.threads import fixed_threads
from histoscribe.types import (
    DISTANCE,
    Head,
    Output,
    Prediction,
    Section,
    SpotKeys,
    TrainingCard,
)
from histoscribe.types.gene_labels import gene_labels

if TYPE_CHECKING:
    from histoscribe.predict.slide import predict_slide

BAG = "bag"
"""Name of the predicted value of a whole bag, a gene fact next to its map."""

MOST_SPOTS_OF_ITEM = 50_000
"""Most spots that a predictor gives a model of sections or bags at once.

Its memory grows with their number, and the time of attention between spots with its square.
"""


@dataclass(eq=False)
class Predictor:
    """A fitted model with target state, tiles, encoder by name, and protocol card."""

    row: str
    """Name of its row in the tables: the model's name, unless the settings give another."""
    fitted: Fitted
    target: Target
    encoding: Encoding
    card: TrainingCard
    """Card of its training; without any information about test sections."""
    reference: Reference
    """Training spots and slides, to recognise tissue that differs from them."""
    value_range: ValueRange
    """Measured values of the training items, to recognise predictions outside of them."""
    benchmark: Benchmarked | None = None
    """Benchmark of the same model, if given in training."""
    hash: str = ""
    """Sha256 of predictor.json, which holds the sha256 of every other file."""
    weights: WeightFiles = field(default_factory=dict)
    """Encoder weights given by hand."""
    folder: Path | None = None
    """Where it was saved or loaded from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of networks that read tiles, and of the look-up of exemplars."""
    _encoder: Encoder | None = None

    if TYPE_CHECKING:
        predict = predict_slide
    else:
        predict = MethodOf("histoscribe.predict.slide", "predict_slide")

    _repr_html_ = MethodOf("histoscribe.predictor.predictor_html", "predictor_html")

    def __repr__(self) -> str:
        return f"Predictor({self.name}: {self.size})"

    @property
    def size(self) -> str:
        """Number of genes, and of training sections and patients, in words."""
        n_patients = len(self.card.patients)
        n_sections = len(self.card.sections)
        return f"{len(self.target.genes):,} genes, {n_sections} sections of {n_patients} patients"

    @property
    def model(self) -> Estimator | ExpressionModel:
        """The fitted model."""
        return self.fitted.model

    @property
    def sees_tiles(self) -> bool:
        """Whether the model reads pixels, not only features."""
        return reads_tiles(self.inputs)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Fields of `Inputs` that the model reads."""
        model = self.model
        return ("feature",) if isinstance(model, Estimator) else model.inputs(model.config)

    @property
    def most_places(self) -> int | None:
        """Limit of the positions of a slide; None for models of spots."""
        return None if self.fitted.item == "spot" else MOST_SPOTS_OF_ITEM

    @property
    def encoder(self) -> Encoder:
        """The encoder, opened on first use."""
        if self._encoder is None:
            self._encoder = self.encoding.open(self.weights)
        return self._encoder

    @property
    def name(self) -> str:
        """Name of the row and the first letters of the hash."""
        return f"{self.row}@{self.hash[:12]}"

    @cached_property
    def gene_scores(self) -> GeneScores:
        """Reliability of each gene, or the reason for missing scores.

        From its own benchmark, or from that of the run folder it lies in.

        Raises
        ------
        DataContractError
            if the `genes.csv` of the run folder was edited.
        """
        if self.benchmark is not None:
            return self.benchmark.scores_with_origin
        return gene_scores_of_run(self.folder, self.row, self.target.genes)

    @property
    def gene_score_values(self) -> Mapping[str, Float[np.ndarray, " G"]]:
        """Name -> values of the genes in order; NaN where unknown; empty without a benchmark."""
        return self.gene_scores.columns

    @property
    def gene_names(self) -> tuple[str, ...]:
        """The symbol of each gene, as the training sections give it; else its id."""
        return self.card.gene_names

    @property
    def gene_labels(self) -> tuple[str, ...]:
        """Display name of each gene: its symbol, or its id if the symbol is ambiguous."""
        return gene_labels(self.target.genes, self.gene_names)

    @property
    def map_range(self) -> ValueRange | None:
        """Range of the values of single spots; None where training labels were of many spots.

        A tile varies more than the mean of a bag, so the range of bags is none for tiles.
        """
        return None if self.target.samples else self.value_range

    def __call__(
        self,
        section: Section,
        cache: str | Path | None = None,
        *,
        keep_unlike: bool = False,
    ) -> Prediction:
        """Predict every spot of a section; its counts, if any, are only stored next to the values.

        Values outside the range of the training are clipped, and spots beyond the training tissue
        are NaN unless `keep_unlike`. If less than half of the spots are trusted, the scores of the
        genes are NaN, too.

        Computed features are kept in `cache`: by default `$HISTOSCRIBE_CACHE`, else the cache
        folder of the platform.
        """
        folder = cache_folder() if cache is None else Path(cache)
        with fixed_threads():
            queries = self.queries(section, folder)
            found = self.from_queries(section, queries, with_gene_scores=False)
        raw = Predicted(found.values, found.head.evidence, found.layers)
        limited, facts = within_limits(
            raw, found.head.spot_facts[DISTANCE], self.map_range, keep_unlike=keep_unlike
        )
        beyond = BeyondTraining.of(facts, len(self.target.genes), keep_unlike=keep_unlike)
        head = replace(
            found.head,
            spot_facts={**found.head.spot_facts, **facts},
            gene_facts=self.gene_facts(beyond, found.head.gene_facts),
            evidence=limited.evidence,
        )
        counts = None
        if section.counts is not None:
            counts = self.target.panel_counts(section).counts.astype(np.float32)
        return Prediction.of_layers(
            head, limited.values, limited.layers, measured=counts, slide=section.slide
        )

    def gene_facts(
        self, beyond: BeyondTraining, of_bag: Mapping[str, Float[np.ndarray, " G"]]
    ) -> dict[str, Float[np.ndarray, " G"]]:
        """Facts of the genes on a section: their scores where offered, and the value of its bag."""
        values = {name: beyond.bag_values(v, self.value_range) for name, v in of_bag.items()}
        return {**beyond.offered(self.gene_score_values), **values}

    def queries(self, section: Section, cache: Path) -> SpotQueries:
        """Prepare the spots of a section for prediction: features, tiles, section and patient."""
        feature = features(
            section,
            self.encoder,
            self.encoding.tiles,
            precision=self.encoding.precision,
            cache=cache,
        )
        return SpotQueries(
            feature=feature,
            keys=SpotKeys.of_section(section.id, section.patient, section.spots.ids),
            encoder=self.encoder.identity,
            image=SlideTiles(section, self.encoding.tiles) if self.sees_tiles else None,
            xy_um=places_um(section),
        )

    def from_queries(
        self, section: Section, queries: SpotQueries, *, with_gene_scores: bool = True
    ) -> Prediction:
        """Predict from features (and tiles) that were made with this predictor's encoding.

        The values are those of the model, neither clipped nor masked: a benchmark scores these.
        Each spot gets its distance to the training spots, and each gene its scores, unless the
        caller is the benchmark that computes them. A section model needs all spots of the section.
        A bag model gives for each spot its prediction for a bag of that spot only, and for the
        whole section, by gene, the `bag` value.
        """
        device = torch.device(choose_device(self.device))
        precision = self.fitted.agreed_precision(queries, device, self.encoding.precision)
        predicted = self.fitted.predict(queries, device, precision)
        head = Head(
            section=section.id,
            spots=section.spots,
            genes=self.target.genes,
            unit=self.target.unit,
            predictor=self.name,
            gene_names=self.gene_names,
            gene_facts={
                **(self.gene_score_values if with_gene_scores else {}),
                **self.bag_facts(queries),
            },
            spot_facts={DISTANCE: self.reference.distance(queries.feature)},
            evidence=predicted.evidence,
            evidence_names=self.fitted.evidence_names,
            card=json.dumps(self.card.to_json(), sort_keys=True),
        )
        layers = {name: values.astype(np.float32) for name, values in predicted.layers.items()}
        values = predicted.values.astype(np.float32)
        return Prediction.of_layers(head, values, layers)

    def bag_facts(self, queries: SpotQueries) -> Mapping[str, Float[np.ndarray, " G"]]:
        """Prediction of a bag model for all these spots together; empty for other models."""
        if self.fitted.item != "bag":
            return {}
        (values,) = self.fitted.predict_bags(queries).values
        return {BAG: values.astype(np.float64)}

    def from_pixels(
        self, image: Float[Tensor, "B 3 P P"], xy_um: Float[Tensor, "B 2"] | None = None
    ) -> Output:
        """Encoder and network as one differentiable graph, from pixels in 0-255, on their device.

        Exemplars are found by the features and then fixed. The patient of the pixels is unknown:
        for a training patient, its spots would be among the exemplars. For a section or bag model
        the tiles are one item, and `xy_um` has their positions in um from the centroid of its
        spots.

        Returns
        -------
        Expression [B, G]; [1, G] of a model of bags, the mean of the members of an ensemble.

        Raises
        ------
        TypeError
            for an estimator that is not a network.
        ValueError
            if the model reads positions and none are given.
        """
        if isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} is no network: it has no gradient to its pixels")
        self._encoder = self.encoder.to(image.device)
        self.fitted.to(image.device)
        feature = self._encoder(image)
        if self.fitted.item != "spot":
            members = self.fitted.members
            return _mean_of([_predict_one(member, image, feature, xy_um) for member in members])
        shown = {"image": image, "feature": feature}
        if self.fitted.lookup is not None:
            # whole numbers, like the tiles of the pool that they are compared with
            pixels = image.detach().cpu().round().clamp(0, 255).to(torch.uint8)
            known = feature.detach().cpu().numpy()
            wanted = SpotQueries.unnamed(known, self.encoder.identity, HeldTiles(pixels))
            looked_up = ("exemplar_feature", "exemplar_target")
            items = self.fitted.items(wanted, image.device)
            batch = items.inputs(looked_up, np.arange(len(feature)))
            shown |= {name: value.to(feature) for name, value in batch.items()}
        return self.model(**{name: shown[name] for name in self.inputs})


def _predict_one(
    model: ExpressionModel,
    image: Float[Tensor, "K 3 P P"],
    feature: Float[Tensor, "K D"],
    xy_um: Float[Tensor, "K 2"] | None,
) -> Output:
    """Predict the spots with these features as one section or bag."""
    names = model.inputs(model.config)
    if xy_um is None and "context_um" in names:
        raise ValueError(f"{model.name} reads positions: give xy_um")
    everywhere = torch.ones((1, len(feature)), dtype=torch.bool, device=feature.device)
    shown = {
        "context_feature": feature[None],
        "context_image": image[None],
        "context_slide": torch.zeros_like(everywhere, dtype=torch.int64),
        "present": everywhere,
    }
    if xy_um is not None:
        shown["context_um"] = xy_um.to(feature)[None]
    output: Output = model(**{name: shown[name] for name in names})
    return output.map(lambda value: value.flatten(0, -2))


def _mean_of(parts: Sequence[Output]) -> Output:
    """Average the outputs of an ensemble; a single output stays unchanged."""
    if len(parts) == 1:
        return parts[0]
    same = zip(*(part.tensors for part in parts), strict=True)
    means = iter([torch.stack(values).mean(dim=0) for values in same])
    return parts[0].map(lambda _: next(means))
