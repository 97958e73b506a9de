"""`exemplars` where what they express has nothing to do with their look, and where it has."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import integer
from histoscribe.types import Cohort, Output
from tests.explain.alike import N_GENES, alike_cohort, is_outside, predictor_of


class Deaf(ExpressionModel):
    """A random network of the spot's feature; it is shown exemplars and reads none."""

    name = "deaf"

    def __init__(self, seed: int) -> None:
        super().__init__(Facts.plain(N_GENES), None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(seed, "deaf"))
            self.hidden, self.head = torch.nn.Linear(3, 16), torch.nn.Linear(16, N_GENES)

    def forward(self, feature, exemplar_feature, exemplar_target) -> Output:
        return self.read(self.represent(feature, exemplar_feature, exemplar_target))

    def represent(self, feature, exemplar_feature, exemplar_target):
        del exemplar_feature, exemplar_target
        return torch.tanh(self.hidden((feature - 150) / 25))


def _ask(cohort: Cohort, training: Cohort, seed: int) -> Finding:
    """Ask about one gene of a network without training; exemplars are of the training cohort."""
    predictor: Predictor = predictor_of("egn")
    assert predictor.fitted.lookup is not None
    lookup = predictor.fitted.lookup
    target = np.concatenate([predictor.target.apply(section) for section in training])
    pool = replace(lookup.pool, target=target.astype(np.float32))
    fitted = Fitted(Deaf(seed), replace(lookup, pool=pool))
    asked = replace(predictor, fitted=fitted, _encoder=predictor.encoder)
    return explain("exemplars", asked, cohort, gene="G0")


def _random_weights(seed: int) -> bool:
    finding = _ask(alike_cohort(seed), alike_cohort(seed + 5000), seed)
    return is_outside(finding, "pcc_with_prediction")


def _permuted_patients(seed: int) -> bool:
    """Genes follow the tissue of another patient, in training and where it is asked."""
    linked = [alike_cohort(at, link=1.0, moved=1) for at in (seed, seed + 5000)]
    return is_outside(_ask(linked[0], linked[1], seed), "pcc_with_measured")


def _null_family(seed: int) -> bool:
    finding = _ask(alike_cohort(seed), alike_cohort(seed + 5000), seed)
    return is_outside(finding, "pcc_with_measured")


def _looks() -> None:
    """Exemplars that look alike express alike, where genes follow the tissue."""
    finding = _ask(alike_cohort(0, link=1.0), alike_cohort(5000, link=1.0), 0)
    number, chance = finding.number("pcc_with_measured"), finding.chance("pcc_with_measured")
    assert number.value > chance.high


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"exemplars that look alike": _looks}
NOT_APPLICABLE: dict[str, str] = {}
