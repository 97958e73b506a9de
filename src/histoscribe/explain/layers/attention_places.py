"""Places of the tokens that a layer of attention reads and writes, in um."""

from dataclasses import dataclass
from math import isqrt
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.explain.layers.attention_taps import Attention
from histoscribe.models.base import ExpressionModel
from histoscribe.models.layers.cmt import CMTAttention
from histoscribe.models.layers.graph_block import CrossAttention
from histoscribe.models.networks.stformer import SpatialTranscriptFormer
from histoscribe.models.networks.tcgn import CMTNetwork

SUPPORTED = (
    "vit, vitexp, retro, egn, egn-readout, egn-released, tcgn, tcgn-xs, stformer, stformer-global"
)
"""Models whose tokens have places."""


@final
@dataclass(frozen=True, eq=False)
class TokenPlaces:
    """Where the queries and the keys of a layer lie."""

    query_um: Float[Tensor, "n 2"]
    key_um: Float[Tensor, "m 2"]
    first_key: int
    """Number of the first key with a place: others, such as pathways, stand before or behind."""

    def distance(self, queries: Tensor) -> Float[Tensor, "r m"]:
        """Distance of these queries to all keys with places, um."""
        return torch.cdist(self.query_um[queries], self.key_um)

    def uniform(self, queries: Tensor) -> float:
        """Mean distance if every key with a place had the same weight, um."""
        return float(self.distance(queries).mean())


@final
@dataclass(frozen=True, eq=False)
class TokenGeometry:
    """Finds the places of tokens for the layers of one network."""

    network: ExpressionModel
    tile_px: int
    """Side of a tile."""
    tile_um: float
    spot_um: Float[np.ndarray, "N 2"]
    """Places of the spots of the section, for a network that reads them together."""

    def places(self, module: nn.Module, attention: Attention) -> TokenPlaces | None:
        """Places of queries and keys; None for tokens without places, such as channels."""
        n, m = attention.n_queries, attention.n_keys
        if isinstance(self.network, SpatialTranscriptFormer):
            return self._of_spots(n, m)
        if isinstance(self.network, CMTNetwork):
            is_grid = isinstance(module, CMTAttention | CrossAttention)
            return self._of_grids(n, m) if is_grid else None
        # exemplars stand behind the patches
        n_patches = self._n_patches()
        return self._of_grids(n_patches, n_patches) if min(n, m) >= n_patches > 0 else None

    def _n_patches(self) -> int:
        """Patches of a tile; 0 for a network that cuts no tiles."""
        patch_px = getattr(self.network.config, "patch_px", None)
        return 0 if patch_px is None else (self.tile_px // patch_px) ** 2

    def _of_spots(self, n: int, m: int) -> TokenPlaces | None:
        """Spots that read pathways and spots, or only spots."""
        n_spots = len(self.spot_um)
        if n != n_spots or m < n_spots:
            return None
        um = torch.from_numpy(self.spot_um).float()
        return TokenPlaces(um, um, m - n_spots)

    def _of_grids(self, n: int, m: int) -> TokenPlaces | None:
        if isqrt(n) ** 2 != n or isqrt(m) ** 2 != m:
            return None
        return TokenPlaces(grid_um(isqrt(n), self.tile_um), grid_um(isqrt(m), self.tile_um), 0)


def grid_um(side: int, tile_um: float) -> Float[Tensor, "n 2"]:
    """Centres of the cells of a square grid over a tile, row by row, um."""
    at = (torch.arange(side) + 0.5) * tile_um / side
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def mean_distance(
    weight: Float[Tensor, "B H r m"], distance: Float[Tensor, "r m"]
) -> Float[Tensor, "B H r"]:
    """Distance from each query to its keys, weighted by attention, um.

    Weights of keys without a place are left out first. NaN for a query that reads none.
    """
    return (weight * distance).sum(dim=3) / weight.sum(dim=3)
