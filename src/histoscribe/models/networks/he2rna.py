"""HE2RNA: a score of each gene for each tile; a bag is the mean of its highest tiles.

Schmauch et al. 2020, doi:10.1038/s41467-020-17678-4. `docs/methods/he2rna.md` explains what the
released code does differently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.bounds import Count, Share
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.tile_features import TileFeatures
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output, TileLimit


@dataclass(frozen=True, kw_only=True)
class HE2RNAConfig:
    """Size of the network, and the numbers of tiles that it averages."""

    hidden: tuple[Count, ...] = (1024, 1024)
    """Widths of the hidden layers, which all tiles share."""
    dropout: Share = 0.25
    """Share of hidden units set to zero in training."""
    top: tuple[Count, ...] = (1, 2, 5, 10, 20, 50, 100)
    """Numbers of highest tiles: training draws one of those that the bag can serve, prediction
    takes the mean over them. A bag that can serve none is the mean of all its tiles.
    """
    tiles: Count = 8000
    """Largest number of tiles that is read for the value of a bag; of more, evenly spaced ones."""
    super_tiles: Count | None = None
    """Number of super-tiles that are read for the value of a bag instead of the tiles of each
    slide: means of similar tiles, by k-means. The paper uses 100.
    """
    learning_rate: float = 3e-4
    """Learning rate of AdamW, without weight decay."""

    def __post_init__(self) -> None:
        if not self.top:
            raise ValueError("top = []: give at least one number of tiles")

    @classmethod
    def small(cls) -> "HE2RNAConfig":
        """A size that trains on two cores."""
        return cls(hidden=(128,), learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "HE2RNAConfig":
        """Settings for tests."""
        return cls(hidden=(16,), dropout=0.1, learning_rate=1e-2)


@final
@register("he2rna")
class HE2RNA(ExpressionModel):
    """Scores every tile by one network, and averages the highest tiles of a bag for each gene."""

    paper = "doi:10.1038/s41467-020-17678-4"
    Config = HE2RNAConfig
    item = "bag"
    head: GeneHead
    top: Tensor

    def __init__(self, facts: Facts, config: HE2RNAConfig) -> None:
        super().__init__(facts, config)
        self.register_buffer("top", torch.tensor(config.top), persistent=False)
        self.tiles = TileFeatures(facts)
        widths = (len(facts.feature_mean), *config.hidden)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(width, after), nn.ReLU(), nn.Dropout(config.dropout))
                for width, after in pairwise(widths)
            )
        )
        self.head = GeneHead(widths[-1], facts)

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Output:
        """Predict the genes of each bag."""
        return self.read(self.represent(context_feature, present))

    def represent(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B ranks R"]:
        """Highest scores of each gene in falling order, and behind them the share of their rank.

        Each gene reads other tiles, so no vector of the bag stands behind all genes.
        """
        high, _, share = self._highest(self._scores(context_feature, present), present)
        return torch.cat([high, share], dim=2)

    def read(self, representation: Float[Tensor, "B ranks R"]) -> Output:
        """Mean of the highest scores, weighted by the share of their rank."""
        high, share = representation[..., :-1], representation[..., -1:]
        return Output((share * high).sum(dim=1))

    def evidence(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Mapping[str, Float[Tensor, "B K _"]]:
        """Score of each tile and gene, its weight in the bag, and their product.

        The weight follows from the rank of the score alone; the weights of a gene sum to one.
        """
        scores = self._scores(context_feature, present)
        _, tile, share = self._highest(scores, present)
        weight = torch.zeros_like(scores).scatter(1, tile, share.expand(tile.shape))
        return {"instance_score": scores, "attention": weight, "contribution": weight * scores}

    def evidence_widths(self) -> Mapping[str, int]:
        """Everything is per gene, for each has its own ranks."""
        n_genes = self.head.linear.out_features
        return dict.fromkeys(("instance_score", "attention", "contribution"), n_genes)

    @classmethod
    def recipe(cls, config: HE2RNAConfig) -> Recipe:
        """Adam at one rate: AdamW without decay is the same."""
        return Recipe(
            epochs=200,
            batch_size=16,
            learning_rate=config.learning_rate,
            weight_decay=0.0,
            encoder="torchvision:resnet50",
            keeps="best",
        )

    @classmethod
    def tile_limit(cls, config: HE2RNAConfig) -> TileLimit:
        """Tiles or super-tiles of a bag."""
        return TileLimit(most=config.tiles, super_tiles=config.super_tiles)

    def _scores(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K G"]:
        """Score of each tile and gene; zero in padding."""
        scores = self.head(self.hidden(self.tiles(context_feature, present)))
        return scores.masked_fill(~present[..., None], 0.0)

    def _highest(
        self, scores: Float[Tensor, "B K G"], present: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B R G"], Int[Tensor, "B R G"], Float[Tensor, "B R 1"]]:
        """Highest scores of each gene in falling order, their tiles, and the share of each rank."""
        n_tiles = present.sum(dim=1)
        n_ranks = min(max(self.config.top), present.shape[1])
        # below every score: a padded tile must not stand before a tile with a negative score
        ranked = scores.masked_fill(~present[..., None], -torch.inf).topk(n_ranks, dim=1)
        share = self._share(n_tiles, n_ranks)[..., None].to(scores.dtype)
        return ranked.values.masked_fill(share == 0, 0.0), ranked.indices, share

    def _share(self, n_tiles: Int[Tensor, " B"], n_ranks: int) -> Float[Tensor, "B R"]:
        """Weight of each rank in the mean of a bag.

        For one number k: 1/k for the k highest tiles. In training, k is drawn from the numbers
        that the bag can serve; otherwise the shares are averaged over these numbers.
        """
        top = self.top.expand(len(n_tiles), -1)
        served = top <= n_tiles[:, None]
        top = torch.where(served, top, n_tiles[:, None])
        served = served | ~served.any(dim=1, keepdim=True)
        if self.training:
            draw = torch.rand(served.shape).to(served.device).masked_fill(~served, -1.0)
            served = nn.functional.one_hot(draw.argmax(dim=1), served.shape[1]).bool()
        rank = torch.arange(n_ranks, device=top.device)
        each = (rank < top[..., None]) / top[..., None]
        return (each * served[..., None]).sum(dim=1) / served.sum(dim=1, keepdim=True)
