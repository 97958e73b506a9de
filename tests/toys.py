"""The smallest model of sections and the smallest of bags: what an item of many spots needs.

Beside the genes they give the mean of their context (a head), and the toy of bags gives evidence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from histoscribe.models import catalog
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

SECTION, BAG = "toy-section", "toy-bag"
CONTEXT_MEAN = "context_mean"


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """How fast a toy is trained."""

    learning_rate: float = 0.05

    @classmethod
    def tiny(cls) -> "ToyConfig":
        """Settings for tests."""
        return cls()


class _Toy(ExpressionModel):
    """Standardises features and takes their mean over the spots of an item."""

    paper = "baseline"
    Config = ToyConfig
    mean: Tensor
    scale: Tensor

    def __init__(self, facts: Facts, config: ToyConfig) -> None:
        super().__init__(facts, config)
        self.register_buffer("mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("scale", torch.from_numpy(facts.feature_scale).float())

    @classmethod
    def recipe(cls, config):
        return Recipe(learning_rate=config.learning_rate)

    def _standard(self, feature, present):
        standard = (feature - self.mean) / self.scale
        return standard.masked_fill(~present[..., None], 0.0)

    def _pooled(self, standard, present):
        return standard.sum(dim=1) / present.sum(dim=1, keepdim=True)


class SectionMean(_Toy):
    """Reads the genes of a spot off its own feature beside the mean of its section."""

    item = "section"

    def __init__(self, facts: Facts, config: ToyConfig) -> None:
        super().__init__(facts, config)
        self.head = GeneHead(2 * len(facts.feature_mean), facts)

    def forward(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
    ) -> Output:
        return self.read(self.represent(context_feature, context_um, present))

    def read(self, representation: Float[Tensor, "B K R"]) -> Output:
        context = representation[..., representation.shape[2] // 2 :]
        return Output(self.head(representation), heads={CONTEXT_MEAN: context})

    def represent(
        self,
        context_feature: Float[Tensor, "B K D"],
        context_um: Float[Tensor, "B K 2"],
        present: Bool[Tensor, "B K"],
    ) -> Float[Tensor, "B K R"]:
        del context_um  # it is asked for, so that places are built
        standard = self._standard(context_feature, present)
        pooled = self._pooled(standard, present)[:, None].expand(standard.shape)
        return torch.cat([standard, pooled], dim=2)


class BagMean(_Toy):
    """Reads the genes of a patient off the mean feature of all spots."""

    item = "bag"

    def __init__(self, facts: Facts, config: ToyConfig) -> None:
        super().__init__(facts, config)
        self.head = GeneHead(len(facts.feature_mean), facts)

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Output:
        return self.read(self.represent(context_feature, present))

    def read(self, representation: Float[Tensor, "B R"]) -> Output:
        return Output(self.head(representation), heads={CONTEXT_MEAN: representation})

    def represent(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B R"]:
        return self._pooled(self._standard(context_feature, present), present)

    def evidence(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> dict[str, Tensor]:
        """Its share of the mean, and its genes by that share."""
        share = present / present.sum(dim=1, keepdim=True)
        standard = self._standard(context_feature, present)
        return {"attention": share, "contribution": share[..., None] * self.head(standard)}

    def evidence_widths(self) -> dict[str, int]:
        return {"attention": 1, "contribution": self.head.linear.out_features}


@contextmanager
def registered() -> Iterator[None]:
    """Have both toys in the registry, and take them out again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "_ADDED", dict(catalog._ADDED))
        register(SECTION)(SectionMean)
        register(BAG)(BagMean)
        yield
