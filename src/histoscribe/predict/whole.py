"""Predict a slide as one section or one bag, in two passes.

The first gives the features of all positions in blocks, which survive an interruption on disk. The
second is one call of the model over the whole slide: it needs the features of all positions in
memory, and is repeated as a whole after an interruption.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.device import choose_device
from histoscribe.predict.plan import SlidePlan
from histoscribe.predict.threads import (
    Features,
    Rows,
    Tiles,
    check_finite,
    work_by_chunk,
)
from histoscribe.predictor.limits import within_limits
from histoscribe.predictor.predictor import Predictor
from histoscribe.threads import fixed_threads
from histoscribe.types import PredictedBlock, SpotKeys


def feature_blocks(
    predictor: Predictor, plan: SlidePlan, chunks: Sequence[slice]
) -> Generator[tuple[slice, Features], None, None]:
    """Encode these chunks of rows, one after the other, reading ahead.

    Raises
    ------
    DataContractError
        if a feature is not finite; the message names the positions.
    """
    with closing(work_by_chunk(predictor, plan, chunks, _feature)) as results:
        for rows, parts in results:
            feature = np.concatenate(parts)
            check_finite(plan, predictor, rows, feature)
            yield rows, feature


def blocks_of_whole(
    predictor: Predictor,
    plan: SlidePlan,
    feature: Features,
    chunks: Sequence[slice],
    *,
    keep_unlike: bool,
) -> Iterator[PredictedBlock]:
    """Predict all positions of a slide together, from their features, and yield these chunks.

    The model reads all positions; the values of those beyond its training are then NaN unless
    `keep_unlike`, and the others are clipped to its range.

    One thread computes, because the last bits of a matrix product depend on their number. A model
    that reads tiles reads them again.
    """
    section, encoder = plan.section, predictor.encoder
    keys = SpotKeys.of_section(section.id, section.patient, section.spots.ids)
    image = SlideTiles(section, plan.tiles, plan.slide_look) if predictor.sees_tiles else None
    queries = SpotQueries(feature, keys, encoder.identity, image, places_um(section))
    with fixed_threads():
        predicted = predictor.fitted.predict(queries, torch.device(choose_device("auto")))
        bag = predictor.bag_facts(queries)
        distance = predictor.reference.distance(feature)
    limited, facts = within_limits(
        predicted, distance, predictor.map_range, keep_unlike=keep_unlike
    )
    columns = {**{name: values[:, None] for name, values in facts.items()}, **limited.evidence}
    for rows in chunks:
        yield PredictedBlock(
            rows,
            limited.values[rows],
            {name: column[rows] for name, column in columns.items()},
            bag,
            {name: layer[rows] for name, layer in limited.layers.items()},
        )


def _feature(rows: Rows, image: Tiles, feature: Features) -> Features:
    del rows, image
    return feature
