"""Concepts that cannot steer the training of a run, found before the long work."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from histoscribe.data.tile_measures.measures import find_measures
from histoscribe.data.tile_measures.section_measures import STAIN_STRENGTHS
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.patient_sites import SITE, sites_of
from histoscribe.models.base import ExpressionModel
from histoscribe.train.settings import RunSettings
from histoscribe.types import Cohort, Fold


def steer_problems(
    settings: RunSettings, cohort: Cohort, folds: Sequence[Fold]
) -> Iterator[Problem]:
    """Problems of the table `steer`; none without concepts."""
    steer = settings.steer
    if not steer.is_used:
        return
    yield from _measure_problems(settings)
    if not any(row.is_network for row in settings.rows):
        yield Problem(
            where="settings, steer",
            found=f"no network: {', '.join(settings.models)}",
            expected="a network: models in closed form have no gradient that a concept could steer",
            remedy="leave steer out, or add a network, e.g. mlp",
        )
    for row in settings.rows:
        cls = row.cls
        if issubclass(cls, ExpressionModel) and not cls.learns_representation:
            yield not_learned(row.name)
    for name in ("patient", "site"):
        if name in steer.unlearn:
            parts = [part for fold in folds for part in _fitted(fold, settings)]
            yield from _class_problems(name, cohort, parts)


def not_learned(name: str) -> Problem:
    """The problem of a network without weights before its representation."""
    return Problem(
        where=f"settings, steer: model {name}",
        found="no weights before its representation, which is what concepts steer",
        expected="a network with layers before its last step, e.g. mlp",
        remedy="leave steer out, or name another model",
    )


def _measure_problems(settings: RunSettings) -> Iterator[Problem]:
    names = [name for name in settings.steer.measures if name not in STAIN_STRENGTHS]
    try:
        find_measures(names, settings.inputs.mpp)
    except DataContractError as error:
        yield from error.problems


def _class_problems(name: str, cohort: Cohort, folds: Sequence[Fold]) -> Iterator[Problem]:
    """A problem of the folds with fewer than two classes among their training spots."""
    few, classes = dict[str, None](), frozenset[str]()
    for fold in folds:
        of_fold = _classes(name, cohort, fold)
        if len(of_fold) < 2:
            few[fold.name] = None
            classes |= of_fold
    if not few:
        return
    listed = ", ".join([*few][:5]) + (", ..." if len(few) > 5 else "")
    if name == "site" and not classes:
        remedy = f"fill the column `{SITE}`, or leave site out of steer.unlearn"
    else:
        remedy = f"leave {name} out of steer.unlearn, or add sections of another {name}"
    yield Problem(
        where=f"settings, steer.unlearn: {name}, training of fold {listed}",
        found=f"one {name} only: {', '.join(sorted(classes))}" if classes else f"no {name} known",
        expected=f"at least two, for a network can only unlearn to tell one {name} from another",
        remedy=remedy,
    )


def _fitted(fold: Fold, settings: RunSettings) -> tuple[Fold, ...]:
    """The fold with only those training spots that networks are fitted on, for each member."""
    if settings.train.keep == "best" and fold.inner:
        used = fold.inner[: settings.train.members]
        return tuple(replace(fold, train=inner.fit) for inner in used)
    return (fold,)


def _classes(name: str, cohort: Cohort, fold: Fold) -> frozenset[str]:
    patients = {section: cohort.patients[section] for section in fold.train}
    known = {section: of for section, of in patients.items() if of is not None}
    if name == "patient":
        return frozenset(known.values())
    return frozenset(sites_of((of, cohort.facts[s]) for s, of in known.items()).values())
