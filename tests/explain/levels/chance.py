"""`levels` on labels that have nothing to do with the tiles, and on a gene that follows darkness.

An alarm is the one test of all numbers, `largest_deviation`, outside of its range by chance.
"""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from histoscribe.explain.finding import Finding
from histoscribe.explain.levels.pictures import FIGURES
from histoscribe.explain.random_networks import random_networks
from histoscribe.explain.run import explain
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort
from tests.explain.levels.planted_levels import (
    DARK,
    NULL,
    OF_PATIENT,
    cohort_of,
    planted_cohort,
    trained,
)

N_PATIENTS = 12
"""Of a model of bags: each has one label."""


def is_outside(finding: Finding, name: str) -> bool:
    """Whether a number of the answer lies outside its range by chance."""
    value, by_chance = finding.number(name).value, finding.chance(name)
    return bool(by_chance.low is not None and not by_chance.low <= value <= by_chance.high)


def asked(predictor: Predictor, cohort: Cohort, gene: str) -> Finding:
    """The answer without its figures, which take longer than the rest."""
    with patch("histoscribe.explain.levels.answer.draw_pictures", return_value=FIGURES):
        return explain("levels", predictor, cohort, gene=gene)


def with_permuted_patients(cohort: Cohort, seed: int) -> Cohort:
    """Each section gets the counts of another patient."""
    sections = list(cohort)
    order = np.random.default_rng([seed, 1]).permutation(len(sections))
    return cohort_of(
        [
            replace(section, counts=sections[other].counts)
            for section, other in zip(sections, order, strict=True)
        ]
    )


def random_weights(seed: int) -> bool:
    """The attention of a random network: its tiles do not follow a gene that is not visible."""
    predictor = trained("abmil")
    network = random_networks(predictor, seed + 1)[seed]
    fitted = Fitted(network.eval())
    random = replace(predictor, fitted=fitted, hash=f"random-{seed}", _encoder=predictor.encoder)
    finding = asked(random, planted_cohort(N_PATIENTS, seed), NULL)
    return is_outside(finding, "largest_deviation")


def permuted_patients(seed: int) -> bool:
    """A gene that follows the darkness of patients, and labels of other patients."""
    cohort = with_permuted_patients(planted_cohort(N_PATIENTS, seed), seed)
    finding = asked(trained("abmil"), cohort, OF_PATIENT)
    return is_outside(finding, "largest_deviation")


def null_family(seed: int) -> bool:
    """A gene whose smooth map has nothing to do with the tissue, and a model of spots."""
    finding = asked(trained(), planted_cohort(seed=seed), NULL)
    return is_outside(finding, "largest_deviation")


def planted_concept() -> None:
    """A gene that follows the darkness of its tile, within patients; permuted it is not found."""
    cohort = planted_cohort(8)
    finding = asked(trained(), cohort, DARK)
    assert finding.number("trend_darkness").value > 0.6
    assert is_outside(finding, "trend_darkness")
    assert is_outside(finding, "largest_deviation")
    assert finding.number("p_largest_deviation").value < 0.01
    assert finding.number("cosine_difference").value > 0.1
    permuted = asked(trained(), with_permuted_patients(cohort, 0), DARK)
    assert not is_outside(permuted, "largest_deviation")


def planted_patients() -> None:
    """A gene that follows the darkness of the patient, with a model of bags."""
    finding = asked(trained("abmil"), planted_cohort(N_PATIENTS), OF_PATIENT)
    assert finding.number("trend_darkness").value > 0.6
    assert is_outside(finding, "trend_darkness")
    assert is_outside(finding, "largest_deviation")


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": random_weights,
    "permuted-patients": permuted_patients,
    "null-family": null_family,
}
PLANTED: dict[str, Callable[[], None]] = {
    "concept": planted_concept,
    "concept of patients": planted_patients,
}
NOT_APPLICABLE: dict[str, str] = {}
