"""SpatialTranscriptFormer: pathway tokens and the spots of a section in one transformer.

`docs/methods/stformer.md` explains it, and how it differs from its design document.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.neighbour_mean import neighbour_mean
from histoscribe.models.layers.pathway_attention import FLOWS, AttentionMaps, Flow
from histoscribe.models.layers.pathway_counts import PathwayCounts
from histoscribe.models.layers.pathway_encoder import PathwayEncoder, PathwayLayer
from histoscribe.models.layers.pathway_head import PathwayHead
from histoscribe.models.layers.positions import position_layer
from histoscribe.models.layers.section_rows import SectionRows
from histoscribe.models.layers.tile_features import check_tiles
from histoscribe.models.recipe import Recipe
from histoscribe.types import PATHWAYS, Output

_LARGEST_TAU = 100.0


@dataclass(frozen=True, kw_only=True)
class STFormerConfig:
    """Size and parts of the transformer; the default is the document's `small`."""

    width: int = 384
    """Width of a token; a multiple of `heads`, and of 4 with `sinusoidal2d`."""
    layers: int = 4
    """Layers of attention and feed-forward part; at least 2 unless `h2h` is open."""
    heads: int = 8
    """Attention heads."""
    n_pathways: int = 50
    """Number of pathway tokens without named pathways; with them, each has a token."""
    pathway_init: Literal["free", "init", "masked"] = "free"
    """Weights from pathways to genes: free, started from the membership of genes in the named
    pathways, or also zero outside it and positive inside.
    """
    membership: Literal["binary", "row-normalised"] = "binary"
    """Weights at the start, for `init` and `masked`: 1 for each member (the document), or a sum of
    1 for each pathway (its code).
    """
    interactions: tuple[Flow, ...] = FLOWS
    """Open flows; the first letter reads the second: p pathways, h spots (histology)."""
    positions: Literal["sinusoidal2d", "mlp", "none"] = "sinusoidal2d"
    """Positions of spots in um: a fixed 2-D sinusoid, a learned network, or none."""
    n_neighbors: int = 0
    """Number of nearest spots whose mean feature stands beside the spot's own; 0 for none."""
    dropped_neighbors: int = 0
    """In training, up to this number of the neighbours of each spot count as zeros, drawn anew in
    each step; the document draws 0 to 2.
    """
    turned: bool = False
    """In training, the places of each section are turned by right angles and mirrored at random, as
    in the document.
    """
    dropout: float = 0.1
    """Share set to zero in training, behind attention and in the feed-forward part."""
    learning_rate: float = 1e-4
    """Peak rate of AdamW, reached after 10 epochs."""
    PRESETS: ClassVar[tuple[str, ...]] = ("tiny", "small", "medium", "large")

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.n_pathways) < 1 or self.n_neighbors < 0:
            raise ValueError(
                "width, layers, heads and n_pathways are at least 1, n_neighbors at least 0"
            )
        if not 0 <= self.dropped_neighbors <= self.n_neighbors:
            raise ValueError(
                f"dropped_neighbors = {self.dropped_neighbors} must be from 0 to n_neighbors = "
                f"{self.n_neighbors}"
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.positions == "sinusoidal2d" and self.width % 4:
            raise ValueError(f"width {self.width} is no multiple of 4, for sine and cosine of x, y")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} must be at least 0 and below 1")
        if "h2h" not in self.interactions and self.layers < 2:
            raise ValueError(
                f"layers = {self.layers}, and h2h is closed: at least 2 are needed, because "
                "pathways gather from spots in the first layer and spots read them in the next; "
                "add a layer or open h2h"
            )

    @classmethod
    def tiny(cls) -> "STFormerConfig":
        """The document's smallest size, about 2 M parameters."""
        return cls(width=256, layers=2, heads=4)

    @classmethod
    def small(cls) -> "STFormerConfig":
        """About 8 M parameters."""
        return cls()

    @classmethod
    def medium(cls) -> "STFormerConfig":
        """About 20 M parameters."""
        return cls(width=512, layers=6, heads=8)

    @classmethod
    def large(cls) -> "STFormerConfig":
        """About 86 M parameters."""
        return cls(width=768, layers=12, heads=12)


class SpatialTranscriptFormer(ExpressionModel):
    """Features of spots and pathway tokens, encoded together; genes from scores of pathways."""

    paper = "SpatialTranscriptFormer (design document, no paper)"
    Config = STFormerConfig
    heads = (PATHWAYS,)
    config: STFormerConfig
    head: PathwayHead
    feature_mean: Tensor
    feature_scale: Tensor
    checkpointing = False

    def __init__(self, facts: Facts, config: STFormerConfig) -> None:
        super().__init__(facts, config)
        named = facts.pathways
        if named is None and config.pathway_init != "free":
            raise ValueError(
                f"pathway_init = {config.pathway_init!r} starts from the genes of named pathways, "
                "and none are named; name gene sets, or use pathway_init = 'free'"
            )
        n_pathways, width = config.n_pathways if named is None else len(named), config.width
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        n_features = len(facts.feature_mean) * (2 if config.n_neighbors else 1)
        self.embed = nn.Linear(n_features, width)
        self.position = position_layer(config.positions, width)
        self.pathways = nn.Parameter(torch.randn(n_pathways, width))
        self.transformer = PathwayEncoder(
            [
                PathwayLayer(width, config.heads, config.interactions, config.dropout)
                for _ in range(config.layers)
            ],
            width,
        )
        self.log_tau = nn.Parameter(torch.zeros(()))
        self.head = PathwayHead(n_pathways, facts, config.pathway_init, config.membership)
        self.count_head = None  # its dispersion is one for all spots, as the document's is not
        self.pathway_counts: PathwayCounts | None = None
        if facts.counts is not None:
            self.pathway_counts = PathwayCounts(n_pathways, facts.start_of_counts)

    @property
    def tau(self) -> Float[Tensor, ""]:
        """Learned temperature: scores are cosines times tau; 1/100 to 100."""
        limit = math.log(_LARGEST_TAU)
        return self.log_tau.clamp(-limit, limit).exp()

    @classmethod
    def recipe(cls, config: STFormerConfig) -> Recipe:
        """AdamW without weight decay; ten epochs of warm-up, then a cosine."""
        return Recipe(
            epochs=2000,
            batch_size=8,
            learning_rate=config.learning_rate,
            weight_decay=0.0,
            schedule="warmup-cosine",
            warmup_epochs=10,
            turned="right-angles" if config.turned else "no",
            encoder="ctranspath",
            loss="mse-pcc",
            settings={"pathway_init": "init", "turned": True},
        )

    def forward(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
    ) -> Output:
        """Predict the genes, and give the scores of pathways as head `pathways`."""
        rows = SectionRows(present)
        scores = self._scores(context_feature, context_um, rows)
        return self._genes(scores, lambda values: self._laid(values, rows))

    def represent(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
    ) -> Float[Tensor, "*B P"]:
        """Scores of pathways, from which the genes are read."""
        rows = SectionRows(present)
        return self._laid(self._scores(context_feature, context_um, rows), rows)

    def read(self, representation: Float[Tensor, "*B P"]) -> Output:
        """Predict the genes from scores of pathways; padding is read, too, as if it were spots."""
        shape = representation.shape[:-1]
        scores = representation.flatten(0, -2)
        return self._genes(scores, lambda values: values.unflatten(0, shape))

    def _genes(
        self,
        scores: Float[Tensor, "n P"],
        lay: Callable[[Float[Tensor, "n _"]], Float[Tensor, "*B _"]],
    ) -> Output:
        """Genes and scores, laid in the shape of the output."""
        genes, heads = self.head(scores), {PATHWAYS: lay(scores)}
        if self.pathway_counts is None:
            return Output(lay(genes), heads)
        counts = self.pathway_counts(genes, scores).map(lay)
        return Output(counts.mean, heads, counts)

    def attention(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
        spots: Sequence[int] = (),
    ) -> list[list[AttentionMaps]]:
        """Attention weights of each layer in each section, from the layers of the prediction.

        Weights between spots are given for these `spots` of each section only: all of them would
        be spots by spots numbers for each head and layer. The model should be in eval mode.
        """
        rows = SectionRows(present)
        some = torch.tensor(spots, dtype=torch.long, device=present.device)
        return self.transformer.maps(
            *self._tokens(context_feature, context_um, rows), rows.sizes, some
        )

    def gene_weights(self) -> Float[Tensor, "G P"]:
        """Weights from scores to genes, before a softplus."""
        return self.head.weights()

    @abstractmethod
    def _scored(self, spots: Float[Tensor, "S width"]) -> Float[Tensor, "n width"]:
        """Tokens that get scores, from the spots of one section after the last layer."""

    @abstractmethod
    def _laid(self, values: Float[Tensor, "n _"], rows: SectionRows) -> Float[Tensor, "*B _"]:
        """Values of those tokens in the shape of the output."""

    def _scores(self, feature: Tensor, um: Tensor, rows: SectionRows) -> Float[Tensor, "n P"]:
        """Cosine of each token with each pathway of its section, times tau."""
        pathways, spots = self.transformer(
            *self._tokens(feature, um, rows), rows.sizes, checkpointing=bool(self.checkpointing)
        )
        sections = zip(rows.sections(spots), pathways, strict=True)
        # in float32 under autocast, too: bfloat16 has 256 steps between cosines of 0.5 and 1
        with torch.autocast(spots.device.type, enabled=False):
            cosines = [_cosines(self._scored(section), own) for section, own in sections]
            return torch.cat(cosines) * self.tau

    def _tokens(
        self, feature: Tensor, um: Tensor, rows: SectionRows
    ) -> tuple[Float[Tensor, "B P width"], Float[Tensor, "M width"]]:
        """Tokens of pathways and of spots before the first layer."""
        spots, places = (rows.rows(feature) - self.feature_mean) / self.feature_scale, rows.rows(um)
        n = self.config.n_neighbors
        if n:
            sections = zip(rows.sections(spots), rows.sections(places), strict=True)
            dropped = self.config.dropped_neighbors if self.training else 0
            around = [neighbour_mean(section, at, n, dropped) for section, at in sections]
            spots = torch.cat([spots, torch.cat(around)], dim=1)
        tokens = self.embed(spots)
        if self.position is not None:
            tokens = tokens + self.position(places)
        return self.pathways.expand(len(rows.present), -1, -1), tokens


@final
@register("stformer")
class STFormer(SpatialTranscriptFormer):
    """Predicts every spot of a section from all of them (the document's dense mode)."""

    item = "section"

    def evidence(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
    ) -> Mapping[str, Float[Tensor, "B K P"]]:
        """Scores of pathways of each spot."""
        return {PATHWAYS: self.represent(context_feature, context_um, present)}

    def evidence_widths(self) -> Mapping[str, int]:
        """A column for each pathway."""
        return {PATHWAYS: len(self.pathways)}

    def _scored(self, spots: Float[Tensor, "S width"]) -> Float[Tensor, "S width"]:
        return spots

    def _laid(self, values: Float[Tensor, "M _"], rows: SectionRows) -> Float[Tensor, "B K _"]:
        return rows.padded(values)


@final
@register("stformer-global")
class STFormerGlobal(SpatialTranscriptFormer):
    """Predicts the mean expression of a bag from the mean of its spots (the global mode)."""

    item = "bag"

    def _scored(self, spots: Float[Tensor, "S width"]) -> Float[Tensor, "1 width"]:
        return spots.mean(dim=0, keepdim=True)

    def _laid(self, values: Float[Tensor, "B _"], rows: SectionRows) -> Float[Tensor, "B _"]:
        check_tiles(rows.present)  # the mean of no spots is no number
        return values


def _cosines(
    spots: Float[Tensor, "n width"], pathways: Float[Tensor, "P width"]
) -> Float[Tensor, "n P"]:
    dtype = torch.promote_types(spots.dtype, torch.float32)
    one, other = (functional.normalize(part.to(dtype), dim=1) for part in (spots, pathways))
    return one @ other.T
