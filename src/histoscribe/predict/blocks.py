"""Predict the positions of a slide in blocks, so that memory does not grow with the slide.

A model whose item is a spot predicts each block by itself. Models of sections and bags need all
positions at once: see `predict.whole`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from histoscribe.data.images import HeldTiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.precision import offered
from histoscribe.predict.plan import SlidePlan
from histoscribe.predict.threads import (
    Features,
    Rows,
    Tiles,
    check_finite,
    first_batch,
    slide_precision,
    work_by_chunk,
)
from histoscribe.predictor.fitted_model import Predicted
from histoscribe.predictor.forward import Columns
from histoscribe.predictor.limits import within_limits
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import PredictedBlock, SpotKeys


@dataclass(frozen=True, eq=False)
class _Part:
    """Result of a thread for one batch."""

    feature: Features
    values: Float32[np.ndarray, "_ G"]
    evidence: Columns
    layers: Columns

    def __len__(self) -> int:
        return len(self.feature)


def predicted_blocks(
    predictor: Predictor, plan: SlidePlan, chunks: Sequence[slice], *, keep_unlike: bool
) -> Generator[PredictedBlock, None, None]:
    """Predict these chunks of rows by a model of spots, one after the other, reading ahead.

    Values are within the limits of the predictor: clipped, and NaN at places beyond its training
    unless `keep_unlike`.

    Raises
    ------
    DataContractError
        if a feature is not finite; the message names the positions.
    """
    predict = _predicting(predictor, plan)
    with closing(work_by_chunk(predictor, plan, chunks, predict)) as results:
        for rows, parts in results:
            feature = np.concatenate([part.feature for part in parts])
            check_finite(plan, predictor, rows, feature)
            predicted, facts = within_limits(
                Predicted(
                    np.concatenate([part.values for part in parts]),
                    _joined([part.evidence for part in parts]),
                    _joined([part.layers for part in parts]),
                ),
                predictor.reference.distance(feature),
                predictor.map_range,
                keep_unlike=keep_unlike,
            )
            columns = {name: values[:, None] for name, values in facts.items()}
            yield PredictedBlock(
                rows,
                predicted.values,
                {**columns, **predicted.evidence},
                layers=predicted.layers,
            )


def _predicting(predictor: Predictor, plan: SlidePlan) -> Callable[[Rows, Tiles, Features], _Part]:
    """Make the function that predicts an encoded batch."""
    section, encoder = plan.section, predictor.encoder
    keys = SpotKeys.of_section(section.id, section.patient, section.spots.ids)

    def queries_of(rows: Rows, image: Tiles, feature: Features) -> SpotQueries:
        return SpotQueries(
            feature=feature,
            keys=keys.take(rows),
            encoder=encoder.identity,
            image=HeldTiles(image) if predictor.sees_tiles else None,
        )

    device = torch.device(choose_device("auto"))
    encoder.to(device)
    precision = offered(predictor.encoding.precision, device)
    if precision != "float32":  # as the first places of the slide give it, for all parts of it
        first = first_batch(predictor, plan, slide_precision(predictor, plan))
        precision = predictor.fitted.agreed_precision(queries_of(*first), device, precision)

    def predict(rows: Rows, image: Tiles, feature: Features) -> _Part:
        predicted = predictor.fitted.predict(queries_of(rows, image, feature), device, precision)
        values = predicted.values.astype(np.float32)
        return _Part(feature, values, predicted.evidence, predicted.layers)

    return predict


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of consecutive rows, by name."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
