"""Predictions of a section whose tiles are changed before encoder and network read them."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.features import BATCH, embed, encode_batch
from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.tiles import grid_order
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.threads import in_order
from histoscribe.transfer import pinned
from histoscribe.types import Images, Prediction, Section

TileChange = Callable[[UInt8[Tensor, "B 3 P P"], Int[np.ndarray, " B"]], UInt8[Tensor, "B 3 P P"]]
"""Tiles and their rows among the spots of the section -> changed tiles.

It is asked for each tile more than once, in any order and from several threads, so what it draws at
random depends on the row only.
"""
_READERS = 2  # threads: one changes tiles while the other encodes


def unchanged(
    image: UInt8[Tensor, "B 3 P P"], rows: Int[np.ndarray, " B"]
) -> UInt8[Tensor, "B 3 P P"]:
    """Return tiles unchanged: the change for the prediction itself."""
    del rows
    return image


@final
class ChangedTiles(Images):
    """Tiles of a section, changed when they are read."""

    def __init__(self, images: Images, change: TileChange) -> None:
        """Change tiles that are in the order of the spots."""
        self.side_px = images.side_px
        self._images, self._change = images, change

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Changed tiles of these spots."""
        return self._change(self._images.read(rows), rows)


@final
@dataclass(frozen=True, eq=False)
class ChangeableSection:
    """A section that a predictor predicts again from changed tiles."""

    predictor: Predictor
    section: Section
    queries: SpotQueries
    """Its spots, with features of the tiles as they are."""
    precision: str
    """Precision of these features."""
    images: Images
    """The tiles as they are, in the order of the spots."""

    @classmethod
    def of(cls, predictor: Predictor, section: Section, cache: Path) -> "ChangeableSection":
        """Compute features and tiles that are missing in the cache.

        Raises DataContractError if the image is too coarse for the tiles.
        """
        encoding = predictor.encoding
        queries = predictor.queries(section, cache)
        kept = embed(
            section, predictor.encoder, encoding.tiles, precision=encoding.precision, cache=cache
        )
        tiles = stored_tiles(section, encoding.tiles, cache=cache)
        images = StackedTiles([(tiles, np.arange(len(section.spots)))])
        return cls(predictor, section, queries, kept.precision, images)

    def predict(self, change: TileChange, images: Images | None = None) -> Prediction:
        """Predict all spots from changed tiles, as `Predictor.from_queries` does.

        Values are neither clipped nor masked. Everything else is as in a prediction: exemplars are
        found by the new features, section models read all spots, and each spot gets its distance to
        the training spots. `unchanged` gives the bits of the prediction itself.

        Parameters
        ----------
        images
            Other tiles of the same spots to change, e.g. read at another um/px.
        """
        changed = ChangedTiles(self.images if images is None else images, change)
        return self.predict_tiles(changed)

    def predict_tiles(self, images: Images) -> Prediction:
        """Predict all spots from these tiles, in the order of the spots."""
        queries = self.queries_of(images)
        return self.predictor.from_queries(self.section, queries, with_gene_scores=False)

    def queries_of(self, images: Images) -> SpotQueries:
        """The spots with these tiles and their features, as several networks may read them."""
        return replace(
            self.queries,
            feature=self._features(images),
            image=images if self.predictor.sees_tiles else None,
        )

    @cached_property
    def measured(self) -> Float[np.ndarray, "N G"]:
        """Measured values, in the unit of the predictor; NaN for genes the section lacks."""
        return self.predictor.target.apply(self.section).astype(np.float64)

    def scores(self, predicted: Float[np.ndarray, "N G"]) -> Float[np.ndarray, " G"]:
        """Pearson correlation of each gene with what was measured, over the spots.

        Returns
        -------
        [G] in -1..1; NaN where the gene was not measured or is constant, 0 for a constant
        prediction.
        """
        return pearson_per_gene(predicted.astype(np.float64), self.measured)

    def _features(self, images: Images) -> Float[np.ndarray, "N D"]:
        encoder, spots = self.predictor.encoder, self.section.spots
        order = grid_order(spots, self.section.slide.mpp)
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]

        def encoded(rows: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows D"]:
            image = pinned(images.read(rows), encoder.mean.device)
            return encode_batch(encoder, image, self.precision)

        values = np.empty_like(self.queries.feature)
        with closing(in_order(encoded, batches, at_least=_READERS)) as results:
            tracked = track(results, f"changed tiles {self.section.id}", len(batches))
            for rows, part in zip(batches, tracked, strict=True):
                values[rows] = part
        return values
