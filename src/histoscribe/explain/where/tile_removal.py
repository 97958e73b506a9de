"""Predictions from a subset of a section's tiles: others leave the bag, or are blurred."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import gaussian_filter
from torch import Tensor

from histoscribe.data.images import ChosenTiles, SlideTiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.tissue import tissue_mask
from histoscribe.device import choose_device
from histoscribe.explain.where.deletion import TilePlaces, ValueOf
from histoscribe.metrics.spatial import neighbour_graph
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Images, Section

BLUR_SHARE = 0.125
"""Deviation of the Gaussian that blurs a tile, as a share of its side: 14 um of 112, so that nuclei
are lost and the colour stays."""
_BATCH = 32


@final
@dataclass(frozen=True, eq=False)
class TileRemoval:
    """Predicts a section whose tiles are partly removed."""

    predictor: Predictor
    section: Section
    queries: SpotQueries

    def value_of(self, gene: int) -> ValueOf:
        """Prediction of one panel gene from a subset of tiles.

        A bag model: of the bag of the remaining tiles. Other models: the mean over all spots, where
        the tiles that are removed are blurred. Without any tile it is NaN for a bag model.
        """
        item = self.predictor.fitted.item
        if item == "bag":
            return lambda tiles: self._of_bag(tiles, gene)
        if item == "section":
            return lambda tiles: self._of_section(tiles, gene)
        sharp, blurred = self._sharp[:, gene], self._blurred_values[:, gene]
        return lambda tiles: float(np.where(tiles, sharp, blurred).mean())

    def _of_bag(self, tiles: Bool[np.ndarray, " N"], gene: int) -> float:
        if not tiles.any():
            return float("nan")
        bag = _taken(self.queries, np.flatnonzero(tiles))
        return float(self.predictor.fitted.predict_bags(bag).values[0, gene])

    def _of_section(self, tiles: Bool[np.ndarray, " N"], gene: int) -> float:
        feature = np.where(tiles[:, None], self.queries.feature, self._blurred.feature)
        return float(self._predicted(replace(self.queries, feature=feature))[:, gene].mean())

    @cached_property
    def _sharp(self) -> Float[np.ndarray, "N G"]:
        return self._predicted(self.queries)

    @cached_property
    def _blurred_values(self) -> Float[np.ndarray, "N G"]:
        return self._predicted(self._blurred)

    @cached_property
    def _blurred(self) -> SpotQueries:
        """The same spots with blurred tiles."""
        encoder, tiles = self.predictor.encoder, self.predictor.encoding.tiles
        images = BlurredTiles(SlideTiles(self.section, tiles))
        rows = np.arange(len(self.queries))
        features = []
        with torch.no_grad():
            for start in range(0, len(rows), _BATCH):
                image = images.read(rows[start : start + _BATCH]).to(encoder.mean.device)
                features.append(encoder(image).cpu().numpy())
        held = None if self.queries.image is None else images
        return replace(self.queries, feature=np.concatenate(features), image=held)

    def _predicted(self, queries: SpotQueries) -> Float[np.ndarray, "N G"]:
        device = torch.device(choose_device(self.predictor.device))
        return self.predictor.fitted.predict(queries, device).values.astype(np.float64)


@final
class BlurredTiles(Images):
    """The same tiles without anything smaller than a few nuclei."""

    def __init__(self, images: Images) -> None:
        self.side_px = images.side_px
        self._images = images

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Blurred tiles of these rows."""
        return blurred(self._images.read(rows))


def blurred(image: UInt8[Tensor, "B 3 P P"]) -> UInt8[Tensor, "B 3 P P"]:
    """Blur tiles by a Gaussian of an eighth of their side; edges are mirrored."""
    sigma = BLUR_SHARE * image.shape[-1]
    smooth = gaussian_filter(image.numpy().astype(np.float32), (0, 0, sigma, sigma), mode="mirror")
    return torch.from_numpy(np.rint(smooth).clip(0, 255).astype(np.uint8))


def tile_places(section: Section, predictor: Predictor) -> TilePlaces:
    """Neighbours and share of tissue of every tile of a section."""
    tiles = predictor.encoding.tiles
    mask = tissue_mask(section.slide)
    centres = [(float(x), float(y)) for x, y in section.spots.xy]
    share = [float(mask.tile(xy, tiles.side_px, tiles.mpp).mean()) for xy in centres]
    return TilePlaces(neighbour_graph(section), np.array(share))


def _taken(queries: SpotQueries, rows: Int[np.ndarray, " n"]) -> SpotQueries:
    return replace(
        queries,
        feature=queries.feature[rows],
        keys=queries.keys.take(rows),
        image=None if queries.image is None else ChosenTiles(queries.image, rows),
        xy_um=None if queries.xy_um is None else queries.xy_um[rows],
    )
