"""Members of an ensemble: models whose maps are compared with each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Int

from histoscribe.errors import Problem
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.models.base import Estimator
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream

N_RANDOM_OF_FEATURES = 40
"""Untrained networks to compare with, for models of features, which take little time."""
N_ENSEMBLES = 200
"""Random choices of untrained networks, each of as many as there are members."""
_SEED = 0  # of these choices; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble, or one of several predictors."""

    name: str
    predictor: Predictor
    """The predictor that it belongs to, for its tiles and features."""
    fitted: Fitted
    """With this model alone."""


def members_of(predictors: Sequence[Predictor]) -> tuple[Member, ...]:
    """Every network of these predictors; a closed-form model is one member."""
    members: list[Member] = []
    for predictor in predictors:
        fitted = predictor.fitted
        models = fitted.members or (fitted.model,)
        for number, model in enumerate(models, start=1):
            name = predictor.name if len(models) == 1 else f"{predictor.name}, member {number}"
            members.append(Member(name, predictor, replace(fitted, model=model, others=())))
    return tuple(members)


def member_problems(predictors: Sequence[Predictor]) -> Iterator[Problem]:
    """Say which predictors cannot be members of one ensemble with the first."""
    first = predictors[0]
    for other in predictors[1:]:
        where = f"predictors {first.name} and {other.name}"
        for found, expected, remedy in _differences(first, other):
            yield Problem(where, found, expected, remedy)


def _differences(first: Predictor, other: Predictor) -> Iterator[tuple[str, str, str]]:
    """Finding, expectation and remedy of each difference that members must not have."""
    if first.hash and other.hash == first.hash:
        yield "one predictor, twice", "different members", "leave one out"
    patients, of_other = _names(first.card.patients), _names(other.card.patients)
    if of_other != patients:
        yield (
            f"trained on patients {patients} and on {of_other}: different test patients",
            "members with the same test patients",
            "train them on the same patients, with another seed each",
        )
    genes, other_genes = first.target.genes, other.target.genes
    if other_genes != genes:
        n_shared = len(set(other_genes) & set(genes))
        yield (
            f"panels of {len(genes)} and {len(other_genes)} genes, of which they share {n_shared}",
            "members with one panel, in one order",
            "train them on one list of genes (target.genes)",
        )
    facts, of_other = _facts(first), _facts(other)
    if of_other != facts:
        yield (
            f"{facts} and {of_other}",
            "members of one model, unit and size of tiles",
            "ask about each in a folder of its own",
        )


def _facts(predictor: Predictor) -> str:
    encoding = predictor.encoding
    return (
        f"{predictor.model.name} in {predictor.target.unit} on tiles of {encoding.tile_px} px at "
        f"{encoding.mpp:g} um/px"
    )


def untrained_members(members: Sequence[Member]) -> tuple[tuple[Member, ...], ...]:
    """For each member, versions of it with random weights: the same number for each.

    The weights of one place are the same for all members of one model, so an ensemble of them
    takes each place once. Empty for closed-form models, which have no weights to draw.
    """
    if any(isinstance(member.fitted.model, Estimator) for member in members):
        return ()
    n_random = n_untrained(members)
    return tuple(
        tuple(
            replace(member, fitted=replace(member.fitted, model=network))
            for network in random_networks(member.predictor, n_random)
        )
        for member in members
    )


def n_untrained(members: Sequence[Member]) -> int:
    """Number of untrained networks for each member: fewer for models that read tiles."""
    n_most = N_RANDOM if members[0].predictor.sees_tiles else N_RANDOM_OF_FEATURES
    return max(n_most, 2 * len(members))


def random_ensembles(n_members: int, n_networks: int) -> Int[np.ndarray, "ensembles members"]:
    """Which untrained network stands for each member, no network twice in an ensemble."""
    rng = stream(_SEED, "explain-where-ensembles")
    return np.stack([rng.permutation(n_networks)[:n_members] for _ in range(N_ENSEMBLES)])


def _names(patients: set[str | None]) -> str:
    return ", ".join(sorted(str(patient) for patient in patients))
