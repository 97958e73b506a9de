"""Predictions from a subset of a section's tiles: others leave the bag, or are blurred."""

from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import gaussian_filter
from torch import Tensor

from histoscribe.data.images import SlideTiles
from histoscribe.data.items.bags import BagItems
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.tissue import tissue_mask
from histoscribe.device import choose_device
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.where.deletion import TilePlaces, ValuesOf
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

    def values_of(self, gene: int) -> ValuesOf:
        """Prediction of one panel gene from each of several subsets of the tiles.

        A bag model: of the bag of the remaining tiles. Other models: the mean over all spots, where
        the tiles that are removed are blurred.
        """
        item = self.predictor.fitted.item
        if item == "bag":
            return lambda sets: self._of_bags(sets, gene)
        if item == "section":
            return lambda sets: np.array([self._of_section(tiles, gene) for tiles in sets])
        sharp, blurred = self._sharp[:, gene], self._blurred_values[:, gene]
        return lambda sets: np.where(sets, sharp, blurred).mean(axis=1)

    def _of_bags(self, sets: Bool[np.ndarray, "sets N"], gene: int) -> Float[np.ndarray, " sets"]:
        bags = BagItems(self.queries, tuple(map(np.flatnonzero, sets)))
        found = self.predictor.fitted.values_of_bags(bags, len(sets) * (self.section.id,))
        return found.values[:, gene].astype(np.float64)

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
        features, began = [], perf_counter()
        with torch.no_grad():
            for start in range(0, len(rows), _BATCH):
                image = images.read(rows[start : start + _BATCH]).to(encoder.mean.device)
                features.append(encoder(image).cpu().numpy())
                if start == 0:
                    seconds = (perf_counter() - began) * len(rows) / len(image)
                    tell_estimate(f"features of {len(rows)} blurred tiles", seconds)
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
