"""`memory` finds permuted labels where there is something to learn, and nothing from nothing."""

from collections.abc import Callable

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.types import Cohort
from tests.explain.memory.toy import toy_cohort, toy_predictor

AT_REST = 1e-9
"""Learning rate of a network that keeps its random weights."""


def _ask(cohort: Cohort, learning_rate: float = 3e-3) -> Finding:
    return explain("memory", toy_predictor(learning_rate), cohort)


def _outside(finding: Finding, name: str) -> bool:
    chance = finding.chance(name)
    return not chance.low <= finding.number(name).value <= chance.high


def _random_weights(seed: int) -> bool:
    return _outside(_ask(toy_cohort(seed), AT_REST), "auroc_relative_loss")


def _permuted_patients(seed: int) -> bool:
    return _outside(_ask(toy_cohort(seed, exchanged=True)), "score_measured_labels")


def _null_family(seed: int) -> bool:
    return _outside(_ask(toy_cohort(seed, effect=0.0)), "auroc_relative_loss")


def _permuted_labels() -> None:
    finding = _ask(toy_cohort(0))
    for name in ("auroc_loss", "auroc_relative_loss", "score_measured_labels"):
        assert finding.number(name).value > finding.chance(name).high, name
    assert not _outside(finding, "score_made_up_labels")


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"permuted labels": _permuted_labels}
NOT_APPLICABLE: dict[str, str] = {}
