"""`pathways` finds a planted programme by genes outside the training, and nothing from nothing."""

from collections.abc import Callable

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.types import Cohort
from tests.explain.pathways.toy import AT_REST, SETS, toy_cohort, toy_predictor

NAMES = ("r_score", "r_attention", "r_coactivity")


def outside(finding: Finding, name: str) -> bool:
    """Whether a number lies outside its range by chance."""
    chance = finding.chance(name)
    return not chance.low <= finding.number(name).value <= chance.high


def _ask(cohort: Cohort, learning_rate: float = 3e-3) -> Finding:
    return explain("pathways", toy_predictor(learning_rate), cohort, pathways=SETS[0])


def _random_weights(seed: int) -> bool:
    return outside(_ask(toy_cohort(seed), AT_REST), "r_score")


def _permuted_patients(seed: int) -> bool:
    return outside(_ask(toy_cohort(seed, exchanged=True)), "r_score")


def _null_family(seed: int) -> bool:
    return outside(_ask(toy_cohort(seed, effect=0.0)), "r_score")


def _programme() -> None:
    finding = _ask(toy_cohort(0))
    assert finding.number("r_score").value > finding.chance("r_score").high + 0.2


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"programme": _programme}
NOT_APPLICABLE: dict[str, str] = {}
