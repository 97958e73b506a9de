"""The smallest model with scores of pathways, and a cohort with gene sets for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from histoscribe.models import catalog
from histoscribe.models.base import Facts, register
from histoscribe.models.layers.head import GeneHead
from histoscribe.types import Output
from tests.toys import ToyConfig, _Toy

SCORES = "toy-pathways"


class PathwayScores(_Toy):
    """Reads one score of each pathway off the feature of a spot, and the genes off the scores."""

    item = "section"
    heads = ("pathways",)

    def __init__(self, facts: Facts, config: ToyConfig) -> None:
        super().__init__(facts, config)
        n_pathways = 3 if facts.pathways is None else len(facts.pathways)
        self.scores = nn.Linear(len(facts.feature_mean), n_pathways)
        self.head = GeneHead(n_pathways, facts)

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Output:
        return self.read(self.represent(context_feature, present))

    def read(self, representation: Float[Tensor, "B K P"]) -> Output:
        return Output(self.head(representation), heads={"pathways": representation})

    def represent(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K R"]:
        return self.scores(self._standard(context_feature, present))


@contextmanager
def registered() -> Iterator[None]:
    """Have the toy in the registry, and take it out again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "_ADDED", dict(catalog._ADDED))
        register(SCORES)(PathwayScores)
        yield


def correlations(scores: Float[np.ndarray, "N P"], activity: Float[np.ndarray, "N P"]):
    """Correlation of each pathway over spots."""
    both = torch.from_numpy(np.stack([scores.T, activity.T]))
    return [float(torch.corrcoef(both[:, p])[0, 1]) for p in range(both.shape[1])]
