"""A predictor that is shown exemplars, and networks whose leaning is known."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from histoscribe.explain.finding import Finding
from histoscribe.explain.questions import find_question
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.run import answer, question_settings
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.run import train
from histoscribe.types import Output
from tests.benchmark.runs import tiny_cohort, tiny_settings

N_EXEMPLARS = 3


@pytest.fixture(scope="session")
def explained(tmp_path_factory) -> "Explained":
    """EGN, tiny, trained on two of three patients."""
    folder = tmp_path_factory.mktemp("explained")
    settings = tiny_settings(
        tiny_cohort(folder / "cohort"),
        models=["egn"],
        sections=["P1S1", "P2S1"],
        settings={"egn": {"preset": "tiny"}},
        exemplars={"n": N_EXEMPLARS},
        train={"epochs": 1},
    )
    predictor = train(settings=settings, out=folder / "egn", cache=folder / "cache")
    return Explained(folder, predictor)


class Explained:
    """The predictor, its cohort, and questions about them."""

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        self.folder = folder
        self.predictor = predictor
        self.manifest = folder / "cohort" / "cohort.csv"

    def request(
        self, *, model: ExpressionModel | None = None, sections: list[str] | None = None
    ) -> ExplainRequest:
        """This predictor, or the same with another network in it; of the cohort some sections."""
        predictor = self.predictor
        if model is not None:
            fitted = Fitted(model, predictor.fitted.lookup)
            predictor = replace(predictor, fitted=fitted, _encoder=predictor.encoder)
        return ExplainRequest(
            predictors=(predictor,),
            cohort=read_cohort(self.manifest, sections),
            cache=self.folder / "cache",
        )

    def answer(
        self, name: str, out: Path, request: ExplainRequest | None = None, **settings
    ) -> Finding:
        """Put a question with these settings to this predictor, or to that of the request."""
        question = find_question(name)
        wishes = question_settings(question, settings)
        return answer(question, request or self.request(), wishes, out)

    @property
    def n_genes(self) -> int:
        return len(self.predictor.target.genes)


class Planted(ExpressionModel):
    """A network without training; `nothing` lets torch know a device."""

    def __init__(self, n_genes: int) -> None:
        nn.Module.__init__(self)
        self.config = self.count_head = None
        self.n_genes = n_genes
        self.nothing = nn.Parameter(torch.zeros(1))
        self.name = "planted"


class Blind(Planted):
    """Is shown exemplars and ignores them: reads genes off the feature alone."""

    def represent(self, feature, exemplar_feature, exemplar_target):
        return feature

    def forward(self, feature, exemplar_feature, exemplar_target) -> Output:
        return Output(feature[:, : self.n_genes] + 0 * exemplar_target[:, 0])


class Copying(Planted):
    """The mean of what its exemplars bring, whatever the spot looks like."""

    def represent(self, feature, exemplar_feature, exemplar_target):
        return exemplar_target.mean(dim=1)

    def forward(self, feature, exemplar_feature, exemplar_target) -> Output:
        return Output(exemplar_target.mean(dim=1))


class Looking(Planted):
    """The mean look of its exemplars: what they express does not matter."""

    def represent(self, feature, exemplar_feature, exemplar_target):
        return exemplar_feature.mean(dim=1)

    def forward(self, feature, exemplar_feature, exemplar_target) -> Output:
        return Output(exemplar_feature.mean(dim=1)[:, : self.n_genes] + 0 * exemplar_target[:, 0])


def number(numbers, name: str) -> float:
    """The value of this name."""
    return next(item.value for item in numbers if item.name == name)
