"""`pathways` finds a planted programme by genes outside the training, and nothing from nothing."""

from collections.abc import Callable

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort
from tests.explain.pathways.toy import AT_REST, SETS, toy_cohort, toy_predictor


def outside(finding: Finding, name: str) -> bool:
    """Whether a number lies outside its range by chance."""
    chance = finding.chance(name)
    return not chance.low <= finding.number(name).value <= chance.high


def ask(predictor: Predictor, cohort: Cohort) -> Finding:
    """The question, with one pathway in the figure."""
    return explain("pathways", predictor, cohort, pathways=SETS[0])


def random_weights(seed: int) -> Finding:
    """A network of this seed that training leaves as it started."""
    return ask(toy_predictor(AT_REST, epochs=1, seed=seed), toy_cohort(seed))


def permuted_patients(seed: int) -> Finding:
    """A network that is trained again on labels of other patients."""
    return ask(toy_predictor(), toy_cohort(seed, exchanged=True))


def null_family(seed: int) -> Finding:
    """A network that is trained again on genes that follow nothing."""
    return ask(toy_predictor(), toy_cohort(seed, effect=0.0))


def _programme() -> None:
    finding = ask(toy_predictor(), toy_cohort(0))
    assert finding.number("r_score").value > finding.chance("r_score").high + 0.2


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": lambda seed: outside(random_weights(seed), "r_score"),
    "permuted-patients": lambda seed: outside(permuted_patients(seed), "r_score"),
    "null-family": lambda seed: outside(null_family(seed), "r_score"),
}
PLANTED: dict[str, Callable[[], None]] = {"programme": _programme}
NOT_APPLICABLE: dict[str, str] = {}
