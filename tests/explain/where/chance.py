"""`where` on models that know nothing, and on a planted region.

An alarm is the number that a null is about, outside its own range by chance. Deletion takes no
part: it tests a map against its model, and the map of a model with random weights may well show
what that model rests on.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from histoscribe.explain.finding import Finding
from histoscribe.explain.random_networks import random_networks
from histoscribe.explain.run import explain
from histoscribe.explain.where.members import N_RANDOM_OF_FEATURES
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort
from tests.explain.where.planted_region import (
    REGION_GENE,
    planted_cohort,
    region,
    trained,
    with_permuted_labels,
)

_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def findings(null: str, seed: int) -> Finding:
    """The question, put to two members that know nothing."""
    return _ask(_PREDICTORS[null](seed), _cohort(null, seed))


def is_outside(finding: Finding, name: str) -> bool:
    """Whether a number of the answer lies outside its range by chance."""
    value, by_chance = finding.number(name).value, finding.chance(name)
    return bool(by_chance.low is not None and not by_chance.low <= value <= by_chance.high)


def random_weights(seed: int) -> bool:
    """Members with random weights agree no more than other networks with random weights."""
    return is_outside(findings("random-weights", seed), "agreement_attention")


def permuted_patients(seed: int) -> bool:
    """Labels of each member permuted over patients: a map belongs to no gene."""
    return is_outside(findings("permuted-patients", seed), "gene_difference_prediction")


def null_family(seed: int) -> bool:
    """Genes that follow nothing visible: attention does not follow their measured spots."""
    return is_outside(findings("null-family", seed), f"correlation_measured_{REGION_GENE}")


def planted_region() -> None:
    """Bag models that were trained on a region attend to it, and agree in it, for its gene."""
    cohort = planted_cohort(n_patients=10)
    members = [trained(cohort, _folder() / f"seed-{seed}", seed=seed) for seed in range(2)]
    finding = _ask(members, cohort)
    assert is_outside(finding, "gene_difference_prediction")
    assert finding.number("agreement_prediction").value > 0.8
    section = cohort[finding.about["section"]]
    evidence = [member(section, keep_unlike=True).head.evidence for member in members]
    gene = members[0].target.genes.index(REGION_GENE)
    for one in evidence:
        assert _auroc(one["attention"][:, 0], region(section)) > 0.8
        assert _auroc(one["contribution"][:, gene], region(section)) > 0.8


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": random_weights,
    "permuted-patients": permuted_patients,
    "null-family": null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"region": planted_region}
NOT_APPLICABLE: dict[str, str] = {}


def _ask(predictors: list[Predictor], cohort: Cohort) -> Finding:
    quick = {"attribution": False, "deletion": False}
    return explain("where", predictors, cohort, genes=REGION_GENE, **quick)


@cache
def _trained_once() -> Predictor:
    return trained(planted_cohort(), _folder() / "once")


def _random(seed: int) -> list[Predictor]:
    """Two members with weights that none of the networks to compare with has."""
    predictor, first = _trained_once(), N_RANDOM_OF_FEATURES + 2 * seed
    networks = random_networks(predictor, first + 2)[first:]
    return [
        replace(
            predictor,
            fitted=Fitted(network.eval()),
            hash=f"random-{seed}-{place}",
            _encoder=predictor.encoder,
        )
        for place, network in enumerate(networks)
    ]


def _permuted(seed: int) -> list[Predictor]:
    cohort = planted_cohort(seed=seed)
    return [
        _briefly_trained(with_permuted_labels(cohort, 2 * seed + place), place)
        for place in range(2)
    ]


def _null(seed: int) -> list[Predictor]:
    cohort = planted_cohort(seed=seed, fold=1.0)
    return [_briefly_trained(cohort, place) for place in range(2)]


def _briefly_trained(cohort: Cohort, seed: int) -> Predictor:
    return trained(cohort, _folder() / "m", seed=seed, epochs=8)


def _cohort(null: str, seed: int) -> Cohort:
    if null == "random-weights":
        return planted_cohort()
    return planted_cohort(seed=seed, fold=1.0 if null == "null-family" else 6.0)


_PREDICTORS: dict[str, Callable[[int], list[Predictor]]] = {
    "random-weights": _random,
    "permuted-patients": _permuted,
    "null-family": _null,
}


def _auroc(values: np.ndarray, inside: np.ndarray) -> float:
    pairs = values[inside][:, None] - values[~inside][None]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def _folder() -> Path:
    _folders.append(TemporaryDirectory())
    return Path(_folders[-1].name)
