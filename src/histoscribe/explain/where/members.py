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
    patients = _names(first.card.patients)
    for other in predictors[1:]:
        where = f"predictors {first.name} and {other.name}"
        if first.hash and other.hash == first.hash:
            yield Problem(where, "one predictor, twice", "different members", "leave one out")
        if _names(other.card.patients) != patients:
            yield Problem(
                where=where,
                found=f"trained on patients {patients} and on {_names(other.card.patients)}, so "
                "they have different test patients",
                expected="members with the same test patients",
                remedy="train them on the same patients, with another seed each",
            )
        if set(other.target.genes) != set(first.target.genes):
            n_shared = len(set(other.target.genes) & set(first.target.genes))
            yield Problem(
                where=where,
                found=f"panels of {len(first.target.genes)} and {len(other.target.genes)} genes, "
                f"of which they share {n_shared}",
                expected="members with one panel",
                remedy="train them on one list of genes (target.genes)",
            )
        if (other.model.name, other.target.unit) != (first.model.name, first.target.unit):
            yield Problem(
                where=where,
                found=f"models {first.model.name} ({first.target.unit}) and {other.model.name} "
                f"({other.target.unit})",
                expected="members of one model and one unit",
                remedy="ask about each model in a folder of its own",
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
