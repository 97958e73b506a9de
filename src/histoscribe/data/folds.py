"""Outer folds: training spots of a model, and test spots that are used once.

Folds depend only on the cohort and the seed. Every draw is keyed by the name of a patient or
section, so neither the order of a manifest nor an additional section changes other draws.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from histoscribe.data.fold_checks import check_folds, check_sections
from histoscribe.data.fold_settings import FoldSettings, leaky
from histoscribe.data.inner import inner_splits
from histoscribe.data.sites import section_sites
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.seed import stream
from histoscribe.types import Cohort, Fold, FoldCard, Folds, InnerCard, SpotRows


def patient_folds(
    cohort: Cohort | str | Path, k: Literal["leave-one-out"] | int = "leave-one-out", seed: int = 0
) -> Folds:
    """Folds of patients: one each, or `k` groups of about equal numbers of patients.

    Parameters
    ----------
    cohort
        A cohort, or the path or name of one.
    k
        Number of groups.
    seed
        Of the draw of the groups.

    Raises
    ------
    DataContractError
        As `make_folds`.

    Examples
    --------
    >>> import histoscribe as hs
    >>> for fold in hs.patient_folds("cohort.csv"):  # doctest: +SKIP
    ...     print(fold.name, sorted(fold.test))
    """
    opened = cohort if isinstance(cohort, Cohort) else read_cohort(cohort)
    return Folds(make_folds(opened, FoldSettings(protocol="patient", k=k), seed))


def make_folds(
    cohort: Cohort, settings: FoldSettings, seed: int, *, counted: bool = True
) -> tuple[Fold, ...]:
    """Divide a cohort by the protocol of the settings, with inner splits.

    Every spot is tested once (with fixed folds: at most once). Sections need counts unless
    `counted` is false, for patients whose expression was measured in bulk.

    Raises
    ------
    DataContractError
        listing missing patients, sections without counts or spots and twin images; then for too few
        patients, or fixed folds with unknown or repeated patients.
    """
    check_sections(cohort, counted=counted)
    divide = _spot_sides if settings.protocol == "spot" else _group_sides
    folds = tuple(_fold(cohort, settings, seed, side) for side in divide(cohort, settings, seed))
    check_folds(cohort, folds, twins_may_part="twins" in settings.leaks)
    return folds


def whole_fold(cohort: Cohort, seed: int = 0, *, counted: bool = True) -> Fold:
    """All spots for training and none for test, to fit the final predictor."""
    del seed  # no random draw: the inner splits depend on names and positions
    check_sections(cohort, counted=counted)
    train = {id_: _all_rows(cohort, id_) for id_ in cohort.ids}
    inner, validation = inner_splits(cohort, train)
    return Fold("all", "patient", train, {}, inner, validation)


def fold_cards(folds: Sequence[Fold]) -> tuple[FoldCard, ...]:
    """What the card says of each fold: sections with their number of spots on each side."""
    return tuple(
        FoldCard(
            name=fold.name,
            protocol=fold.protocol,
            leaky=leaky(fold.protocol),
            validation=fold.validation,
            train=_n_spots(fold.train),
            test=_n_spots(fold.test),
            inner=tuple(
                InnerCard(fit=_n_spots(inner.fit), val=_n_spots(inner.val)) for inner in fold.inner
            ),
        )
        for fold in folds
    )


def folds_hash(folds: Sequence[Fold]) -> str:
    """Sha256 of the folds, spot by spot (rows of each section), inner splits included."""
    rows = [
        [
            [fold.name, fold.protocol, fold.validation],
            [_row_numbers(fold.train), _row_numbers(fold.test)],
            [[_row_numbers(inner.fit), _row_numbers(inner.val)] for inner in fold.inner],
        ]
        for fold in folds
    ]
    return sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


_Side = tuple[str, SpotRows, SpotRows]
"""Name of the fold, training and test spots."""


def _fold(cohort: Cohort, settings: FoldSettings, seed: int, side: _Side) -> Fold:
    name, train, test = side
    if settings.max_train_spots is not None:
        train = _subsample(train, settings.max_train_spots, seed)
    inner, validation = inner_splits(cohort, train)
    return Fold(name, settings.protocol, train, test, inner, validation)


def _group_sides(cohort: Cohort, settings: FoldSettings, seed: int) -> Iterator[_Side]:
    """Folds of the patient and section protocols, from groups of sections that stay together."""
    group = _groups(cohort, settings.protocol)
    names = sorted(set(group.values()))
    rows = {id_: _all_rows(cohort, id_) for id_ in cohort.ids}
    for test_names in _test_names(names, settings, seed):
        yield (
            "+".join(test_names),
            {id_: rows[id_] for id_ in cohort.ids if group[id_] not in test_names},
            {id_: rows[id_] for id_ in cohort.ids if group[id_] in test_names},
        )


def _groups(cohort: Cohort, protocol: str) -> dict[str, str]:
    """What each section is held out with: its patient, its site, or itself."""
    if protocol == "section":
        return {id_: id_ for id_ in cohort.ids}
    if protocol == "site":
        return section_sites(cohort)
    return {id_: str(patient) for id_, patient in cohort.patients.items()}


def _test_names(names: list[str], settings: FoldSettings, seed: int) -> list[tuple[str, ...]]:
    what = settings.protocol
    if len(names) < 2:
        raise DataContractError(_too_few(names, what, 2))
    if settings.test is not None:
        problems = list(_fixed_problems(names, settings.test, what))
        if problems:
            raise DataContractError(problems)
        return [tuple(sorted(group)) for group in settings.test]
    if settings.k == "leave-one-out":
        return [(name,) for name in names]
    if len(names) < settings.k:
        raise DataContractError(_too_few(names, what, settings.k))
    drawn = sorted(names, key=lambda name: stream(seed, f"fold-{what}-{name}").random())
    return [tuple(sorted(map(str, part))) for part in np.array_split(drawn, settings.k)]


def _spot_sides(cohort: Cohort, settings: FoldSettings, seed: int) -> Iterator[_Side]:
    """Random parts of every section; leaky, for comparison with published tables."""
    k = int(settings.k)
    part = {
        section.id: stream(seed, f"spot-part-{section.id}").permutation(len(section.spots)) % k
        for section in cohort
    }
    for index in range(k):
        train = {id_: np.flatnonzero(parts != index) for id_, parts in part.items()}
        test = {id_: np.flatnonzero(parts == index) for id_, parts in part.items()}
        yield f"part-{index + 1}-of-{k}", _filled(train), _filled(test)


def _subsample(train: SpotRows, n_spots: int, seed: int) -> SpotRows:
    """Draw `n_spots` of the training spots, from each section in proportion to its size."""
    sizes = {id_: len(rows) for id_, rows in train.items()}
    total = sum(sizes.values())
    if total <= n_spots:
        return train
    exact = {id_: n_spots * size / total for id_, size in sizes.items()}
    quota = {id_: int(share) for id_, share in exact.items()}
    by_remainder = sorted(exact, key=lambda id_: (quota[id_] - exact[id_], id_))
    for id_ in by_remainder[: n_spots - sum(quota.values())]:
        quota[id_] += 1
    return _filled(
        {
            id_: np.sort(stream(seed, f"subsample-{id_}").permutation(rows)[: quota[id_]])
            for id_, rows in train.items()
        }
    )


def _fixed_problems(
    names: list[str], test: tuple[tuple[str, ...], ...], what: str
) -> Iterator[Problem]:
    where = "settings, folds.test"
    flat = [name for group in test for name in group]
    for name in dict.fromkeys(flat):
        if name not in names:
            near = " or ".join(get_close_matches(name, names, n=3)) or ", ".join(names)
            yield Problem(where, f"no {what} {name!r}", f"a {what} of the cohort", f"try {near}")
        elif flat.count(name) > 1:
            yield Problem(
                where, f"{what} {name!r} is tested twice", "each spot tested once", "name it once"
            )
    if not test or not all(test):
        yield Problem(where, f"a fold without test {what}s", f"at least one {what}", "name one")
    for group in test:
        if set(names) <= set(group):
            yield Problem(
                where, f"a fold tests every {what}", f"some {what}s left for training", "split it"
            )


def _too_few(names: list[str], what: str, needed: int) -> Problem:
    one_patient = what == "patient" and len(names) == 1
    return Problem(
        where="cohort",
        found=f"{len(names)} {what}{'' if len(names) == 1 else 's'}: {', '.join(names)}",
        expected=f"at least {needed} {what}s under the protocol {what!r}",
        remedy="add patients; one patient allows only the protocols 'section' and 'spot', whose "
        "tables state that they leak"
        if one_patient
        else "use a smaller k, or add to the cohort",
    )


def _all_rows(cohort: Cohort, id_: str) -> np.ndarray:
    return np.arange(len(cohort[id_].spots))


def _filled(rows: SpotRows) -> SpotRows:
    return {id_: part for id_, part in rows.items() if len(part)}


def _n_spots(rows: SpotRows) -> dict[str, int]:
    return {id_: len(part) for id_, part in sorted(rows.items())}


def _row_numbers(rows: SpotRows) -> dict[str, list[int]]:
    return {id_: part.tolist() for id_, part in rows.items()}
