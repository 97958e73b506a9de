"""`together` finds a planted programme, and nothing in maps that know nothing of the tissue.

An alarm is a share of co-expression in the maps above both ranges: of trainings on shuffled rows,
and of maps at wrong places.
"""

from collections.abc import Callable
from dataclasses import replace

from histoscribe.explain.finding import Finding
from histoscribe.explain.random_networks import random_networks
from histoscribe.explain.run import explain
from histoscribe.explain.together.agreement import CARRIED
from histoscribe.explain.together.result import MOVED
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort
from tests.explain.together.toy import toy_cohort, toy_mlp, toy_predictor


def ask(predictor: Predictor, cohort: Cohort) -> Finding:
    """The question, without gene sets."""
    return explain("together", predictor, cohort, sets="none")


def alarm(finding: Finding) -> bool:
    """Whether the maps carry more co-expression than both ranges by chance."""
    value = finding.number(CARRIED).value
    return all(value > finding.chance(name).high for name in (CARRIED, f"{CARRIED}{MOVED}"))


def random_weights(seed: int) -> Finding:
    """A network with weights that no training gave it."""
    predictor = toy_mlp()
    network = random_networks(predictor, seed + 1)[seed].eval()
    fitted, name = Fitted(network), f"random-{seed}"
    untrained = replace(predictor, fitted=fitted, hash=name, _encoder=predictor.encoder)
    return ask(untrained, toy_cohort(0))


def permuted_patients(seed: int) -> Finding:
    """A model of labels of other patients."""
    cohort = toy_cohort(seed, exchanged=True)
    return ask(toy_predictor(cohort), cohort)


def null_family(seed: int) -> Finding:
    """A model of genes that go together, and that nothing shows."""
    cohort = toy_cohort(seed, effect=0.0)
    return ask(toy_predictor(cohort), cohort)


def _programme() -> None:
    cohort = toy_cohort(0)
    finding = ask(toy_predictor(cohort), cohort)
    assert alarm(finding)
    assert finding.number(CARRIED).value > 0.1
    assert finding.number("alike").value > finding.chance("alike_permuted_genes").high


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": lambda seed: alarm(random_weights(seed)),
    "permuted-patients": lambda seed: alarm(permuted_patients(seed)),
    "null-family": lambda seed: alarm(null_family(seed)),
}
PLANTED: dict[str, Callable[[], None]] = {"programme": _programme}
NOT_APPLICABLE: dict[str, str] = {}
