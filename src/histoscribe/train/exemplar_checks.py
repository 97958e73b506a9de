"""Checks that the spots of every fold have exemplars, and how many, before anything is fitted."""

from collections.abc import Iterable, Iterator, Mapping

from histoscribe.data.exemplars.pool import Exclusion, check_exclusion, more_sections
from histoscribe.data.folds import leaky
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.twins import twin_images
from histoscribe.train.row import ModelRow
from histoscribe.types import Cohort, Fold, SpotRows


def lookup_problems(
    cohort: Cohort, folds: Iterable[Fold], rows: Iterable[ModelRow], keep: str
) -> list[Problem]:
    """Problems of the exemplars of a run, each once, before the long work."""
    most = _most_exemplars(rows)
    found: list[Problem] = []
    for fold in folds:
        of = {section: str(cohort.patients[section]) for section in fold.train}
        for exclusion, n in most.items():
            try:
                check_exclusion(of, exclusion, f"exemplars, fold {fold.name}")
            except DataContractError as error:
                found += error.problems
                continue
            found += _shift_problems(fold, of, exclusion)
            if exclusion == "section" and leaky(fold.protocol) is None:
                found += _twin_problems(cohort, fold)
            fit, unfit = fold.train, []
            if keep == "best" and fold.inner:
                fit = fold.inner[0].fit
                unfit = _inner_problems(fold, fit, of, exclusion)
            spots = _spots_of(fit, cohort, exclusion)
            found += unfit or _few_problems(fold, spots, exclusion, n)
    return list(dict.fromkeys(found))


def pool_lines(
    cohort: Cohort, folds: Iterable[Fold], rows: Iterable[ModelRow], keep: str
) -> Iterator[str]:
    """Number of available exemplars of the spots of each fold, in words."""
    wanted = _most_exemplars(rows)
    for fold in folds:
        for exclusion in wanted:
            # if the best epoch is kept, the spots that choose it give no exemplars in training
            fitted = fold.inner[0].fit if keep == "best" and fold.inner else fold.train
            own = _spots_of(fitted, cohort, exclusion)
            # only a leaky protocol has test spots whose patient or section also gives exemplars
            named = "patient" if leaky(fold.protocol) is None else exclusion
            tested = _names_of(fold.test, cohort, named)
            others = _spots_of(fold.train, cohort, named)
            yield (
                f"exemplars, fold {fold.name}: training spots have {_span(own, own)} spots of "
                f"other {exclusion}s to choose from"
                + (f", test spots {_span(others, tested)}" if tested else "")
            )


def _span(spots: Mapping[str, int], asking: Iterable[str]) -> str:
    """Smallest and largest number of available spots, excluding each group's spots."""
    left = [sum(spots.values()) - spots.get(name, 0) for name in asking]
    return f"{min(left):,}" if min(left) == max(left) else f"{min(left):,} to {max(left):,}"


def _names_of(rows: SpotRows, cohort: Cohort, exclusion: Exclusion) -> set[str]:
    """Patients or sections of these spots."""
    return {str(cohort.patients[s]) if exclusion == "patient" else s for s in rows}


def _spots_of(train: SpotRows, cohort: Cohort, exclusion: Exclusion) -> Mapping[str, int]:
    """Training spots of each patient or section."""
    counted: dict[str, int] = {}
    for section, spots in train.items():
        name = str(cohort.patients[section]) if exclusion == "patient" else section
        counted[name] = counted.get(name, 0) + len(spots)
    return counted


def _shift_problems(fold: Fold, of: Mapping[str, str], exclusion: Exclusion) -> list[Problem]:
    """Problem of excluding less than patients where that is possible, unless the protocol leaks."""
    patients = sorted(set(of.values()))
    if exclusion == "patient" or len(patients) < 2 or leaky(fold.protocol) is not None:
        return []
    return [
        Problem(
            where=f"exemplars, fold {fold.name}",
            found='training_exclusion = "section", and training sections of '
            f"{len(patients)} patients ({', '.join(patients)})",
            expected="exemplars from other patients if there are two: the rule of test spots",
            remedy='set exemplars.training_exclusion = "patient"',
        )
    ]


def _twin_problems(cohort: Cohort, fold: Fold) -> Iterator[Problem]:
    """Problem of twin sections: a spot would find itself there, at distance 0."""
    for twins in twin_images(cohort[section] for section in sorted(fold.train)):
        named = ", ".join(twin.id for twin in twins)
        yield Problem(
            where=f"exemplars, fold {fold.name}",
            found=f"training sections with the same picture: {named}",
            expected='each picture once, with exemplars.training_exclusion = "section": a spot '
            "would find itself",
            remedy="keep one of them: sections = [...] without the others",
        )


def _inner_problems(
    fold: Fold, fit: SpotRows, of: Mapping[str, str], exclusion: Exclusion
) -> list[Problem]:
    """Problems of an epoch chosen on a part of the training side: the rest needs exemplars.

    The spots that choose the epoch must follow the rule of test spots: no exemplars from their
    patient.
    """
    if exclusion == "section" and leaky(fold.protocol) is None:
        return [
            Problem(
                where=f"exemplars, fold {fold.name}",
                found='train.keep = "best", and exemplars of the same patient: the epoch would '
                "be chosen on spots with exemplars of their own patient",
                expected="an epoch that no score chooses, with one training patient",
                remedy='set train.keep = "last", which trains for train.epochs',
            )
        ]
    try:
        inner = {section: of[section] for section in fit}
        check_exclusion(inner, exclusion, f"exemplars, fold {fold.name}")
    except DataContractError:
        return [
            Problem(
                where=f"exemplars, fold {fold.name}",
                found=f"{len(set(inner.values()))} training patient(s) without the "
                f"{fold.validation} that is held out to choose the epoch: too few to give "
                "exemplars",
                expected="two patients besides those",
                remedy='set train.keep = "last", which trains on all of them for train.epochs',
            )
        ]
    return []


def _few_problems(
    fold: Fold, spots: Mapping[str, int], exclusion: Exclusion, n: int
) -> list[Problem]:
    """Problem of fewer available spots than exemplars, after exclusion of a patient or section."""
    left = {name: sum(spots.values()) - own for name, own in spots.items()}
    name = min(left, key=lambda name: left[name])
    if left[name] >= n:
        return []
    return [
        Problem(
            where=f"exemplars, fold {fold.name}",
            found=f"{left[name]} training spots of other {exclusion}s than {name}",
            expected=f"at least exemplars.n = {n}",
            remedy=f"set exemplars.n to {left[name]} or less, or {more_sections(exclusion)}",
        )
    ]


def _most_exemplars(rows: Iterable[ModelRow]) -> dict[Exclusion, int]:
    """Largest number of exemplars in the rows, by exclusion rule."""
    most: dict[Exclusion, int] = {}
    for asked in (row.exemplars for row in rows if row.exemplars is not None):
        most[asked.training_exclusion] = max(asked.n, most.get(asked.training_exclusion, 0))
    return dict(sorted(most.items()))
