"""Attention over the tiles of a bag: the gated attention of ABMIL, and the additive regression.

`abmil`: Ilse, Tomczak and Welling 2018, arXiv:1802.04712, equations 7 and 9. `additive-mil`:
Graziani et al. 2022, arXiv:2208.13776. `docs/methods/attention-mil.md` has both side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.bounds import Count, Share
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.tile_features import TileFeatures
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

_LIMIT = 10.0  # of an instance score, in units of the spread of the training target


@dataclass(frozen=True, kw_only=True)
class ABMILConfig:
    """Size of the gated attention."""

    width: Count = 512
    """Width of the hidden layer of a tile."""
    attention_width: Count = 256
    """Width of the two layers that attention multiplies."""
    dropout: Share = 0.25
    """Share of hidden units and of attention units set to zero in training."""
    learning_rate: float = 2e-4
    """Learning rate of AdamW."""

    @classmethod
    def small(cls) -> "ABMILConfig":
        """A size that trains on two cores."""
        return cls(width=128, attention_width=64, learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "ABMILConfig":
        """Settings for tests."""
        return cls(width=16, attention_width=8, dropout=0.1, learning_rate=1e-2)


@final
@register("abmil")
class ABMIL(ExpressionModel):
    """Reads the genes of a bag off the attention-weighted mean of its tiles."""

    paper = "arXiv:1802.04712"
    Config = ABMILConfig
    item = "bag"
    head: GeneHead

    def __init__(self, facts: Facts, config: ABMILConfig) -> None:
        super().__init__(facts, config)
        self.tiles = TileFeatures(facts)
        self.hidden = nn.Sequential(
            nn.Linear(len(facts.feature_mean), config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.value = nn.Linear(config.width, config.attention_width)
        self.gate = nn.Linear(config.width, config.attention_width)
        self.dropout = nn.Dropout(config.dropout)
        # without a bias: softmax over tiles would cancel it
        self.score = nn.Linear(config.attention_width, 1, bias=False)
        self.head = GeneHead(config.width, facts)

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Output:
        """Predict the genes of each bag."""
        return self.read(self.represent(context_feature, present))

    def represent(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B R"]:
        """Sum of the tiles, weighted by attention (equation 7)."""
        hidden = self.hidden(self.tiles(context_feature, present))
        return (self._attention(hidden, present) * hidden).sum(dim=1)

    def evidence(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Mapping[str, Float[Tensor, "B K _"]]:
        """Score of each tile and gene, its attention, and their product.

        The head is linear, so the products of a gene sum to the prediction of the bag.
        """
        hidden = self.hidden(self.tiles(context_feature, present))
        attention = self._attention(hidden, present)
        scores = self.head(hidden).masked_fill(~present[..., None], 0.0)
        return {
            "instance_score": scores,
            "attention": attention,
            "contribution": attention * scores,
        }

    def evidence_widths(self) -> Mapping[str, int]:
        """One attention for all genes."""
        n_genes = self.head.linear.out_features
        return {"instance_score": n_genes, "attention": 1, "contribution": n_genes}

    @classmethod
    def recipe(cls, config: ABMILConfig) -> Recipe:
        """One rate, with the weight decay that is usual for it."""
        return Recipe(learning_rate=config.learning_rate, weight_decay=1e-5)

    def _attention(
        self, hidden: Float[Tensor, "B K R"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K 1"]:
        """Gated attention of each tile (equation 9); sums to one over the tiles of a bag."""
        gated = torch.tanh(self.value(hidden)) * torch.sigmoid(self.gate(hidden))
        return _over_tiles(self.score(self.dropout(gated)), present)


@dataclass(frozen=True, kw_only=True)
class AdditiveMILConfig:
    """Size and training of the additive regression; the default is the paper's."""

    width: Count = 128
    """Width of the linear layer of a tile; 256 in the paper for features of ResNet-50."""
    attention_width: Count = 64
    """Width of the hidden layer of attention; 128 in the paper for features of ResNet-50."""
    dropout: Share = 0.2
    """Share of the linear layer's units set to zero in training; none in prediction."""
    optimiser: Literal["sgd-nesterov", "adamw"] = "sgd-nesterov"
    """The paper's steps, or steps that adapt to each weight and learn in fewer epochs."""
    learning_rate: float = 1e-4
    """Learning rate, for one bag per step."""

    @classmethod
    def small(cls) -> "AdditiveMILConfig":
        """A training that learns from tens of bags in some hundred steps."""
        return cls(optimiser="adamw", learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "AdditiveMILConfig":
        """Settings for tests."""
        return cls(width=16, attention_width=8, dropout=0.1, optimiser="adamw", learning_rate=1e-2)


@final
@register("additive-mil")
class AdditiveMIL(ExpressionModel):
    """Scores every tile and gene, and adds the scores up, weighted by attention."""

    paper = "arXiv:2208.13776"
    Config = AdditiveMILConfig
    item = "bag"
    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, facts: Facts, config: AdditiveMILConfig) -> None:
        super().__init__(facts, config)
        n_genes = len(facts.target_mean)
        self.register_buffer("target_mean", torch.from_numpy(facts.output_start).float())
        self.register_buffer("target_scale", torch.from_numpy(facts.target_unit).float())
        self.tiles = TileFeatures(facts)
        self.linear = nn.Linear(len(facts.feature_mean), config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(config.width, n_genes)
        self.attend = nn.Sequential(
            nn.Linear(config.width, config.attention_width),
            nn.Tanh(),
            # a map a gene, for the paper has a network a gene; without a bias: softmax over tiles
            # would cancel it
            nn.Linear(config.attention_width, n_genes, bias=False),
        )

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Output:
        """Predict the genes of each bag: the mean of its scores, weighted by attention."""
        return _added(*self._scores(context_feature, present))

    def represent(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K R"]:
        """Score and attention of each tile and gene, side by side; zero in padding.

        Each gene has its own attention, so no vector of the bag stands behind all genes.
        """
        return torch.cat(self._scores(context_feature, present), dim=2)

    def read(self, representation: Float[Tensor, "B K R"]) -> Output:
        """Mean of the scores, weighted by attention."""
        scores, attention = representation.chunk(2, dim=2)
        return _added(scores, attention)

    def evidence(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Mapping[str, Float[Tensor, "B K _"]]:
        """Score of each tile and gene, its attention, and their product.

        The products of a gene sum to the prediction of the bag.
        """
        scores, attention = self._scores(context_feature, present)
        return {
            "instance_score": scores,
            "attention": attention,
            "contribution": attention * scores,
        }

    def evidence_widths(self) -> Mapping[str, int]:
        """One attention per gene."""
        return dict.fromkeys(("instance_score", "attention", "contribution"), len(self.target_mean))

    @classmethod
    def recipe(cls, config: AdditiveMILConfig) -> Recipe:
        """SGD with momentum of Nesterov, or AdamW, with the paper's weight decay."""
        return Recipe(
            epochs=100,
            batch_size=1,
            optimiser=config.optimiser,
            learning_rate=config.learning_rate,
            weight_decay=0.01,
            tile_px=224,
            encoder="torchvision:resnet18",
            keeps="best",
        )

    def _scores(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K G"], Float[Tensor, "B K G"]]:
        """Score of each tile and gene in the target's space, and attention; zero in padding."""
        linear = self._linear(context_feature, present)
        with torch.autocast(linear.device.type, enabled=False):
            linear = linear.to(self.score.weight.dtype)
            limited = self.score(linear).clamp(-_LIMIT, _LIMIT)
            attention = _over_tiles(self.attend(linear), present)
        scores = self.target_mean + self.target_scale * limited
        return scores.masked_fill(~present[..., None], 0.0), attention

    def _linear(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K R"]:
        return self.dropout(self.linear(self.tiles(context_feature, present)))


def _added(scores: Float[Tensor, "B K G"], attention: Float[Tensor, "B K G"]) -> Output:
    return Output((attention * scores).sum(dim=1))


def _over_tiles(
    logits: Float[Tensor, "B K A"], present: Bool[Tensor, "B K"]
) -> Float[Tensor, "B K A"]:
    """Softmax over the tiles of each bag; padding gets zero."""
    return logits.masked_fill(~present[..., None], -torch.inf).softmax(dim=1)
