"""Checks of a cohort before it is divided: all problems at once, before any fit."""

from collections.abc import Collection, Iterable, Iterator

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.twins import patients_of, twin_images
from histoscribe.types import Cohort, Fold, Section


def check_sections(cohort: Cohort, *, counted: bool = True) -> None:
    """Open every section and stop if a problem would make any division wrong.

    Sections without counts or spots are a problem only if `counted`.

    Raises
    ------
    DataContractError
        listing missing patients, sections without counts or spots, sections that do not open, and
        twin images: equal pixels under different patients.
    """
    problems: list[Problem] = []
    opened: list[Section] = []
    for id_, patient in cohort.patients.items():
        if patient is None or not patient.strip():
            problems.append(_no_patient(id_))
            continue
        try:
            opened.append(cohort[id_])
        except DataContractError as error:
            problems += error.problems
        else:
            problems += _section_problems(opened[-1], patient, counted=counted)
    problems += _twin_problems(opened)
    if not opened and not problems:
        problems = [
            Problem("cohort", "no sections", "at least two patients", "list sections in it")
        ]
    if problems:
        raise DataContractError(problems)


def _twin_problems(sections: list[Section]) -> Iterable[Problem]:
    try:
        twins = twin_images(sections)
    except DataContractError as error:  # an image that opens and whose px cannot be read
        return error.problems
    return [_twin_problem(pair) for pair in twins if len(patients_of(pair)) > 1]


def check_folds(cohort: Cohort, folds: Iterable[Fold], *, twins_may_part: bool = False) -> None:
    """Stop if a side is empty, or if one patient or picture is on both sides.

    Leaky protocols allow a patient on both sides. Under `section`, two sections with the same
    picture must stay together unless `twins_may_part`. Under `spot`, every picture is on both sides
    by definition.
    """
    problems: list[Problem] = []
    for fold in folds:
        where = f"fold {fold.name}"
        if not any(map(len, fold.train.values())) or not any(map(len, fold.test.values())):
            problems.append(
                Problem(
                    where,
                    "no spots on one side",
                    "spots to train on and to test",
                    "use a smaller k",
                )
            )
        both = {cohort.patients[id_] for id_ in fold.train} & {
            cohort.patients[id_] for id_ in fold.test
        }
        if fold.protocol in ("patient", "site") and both:
            found = f"patients {', '.join(sorted(map(str, both)))} in training and test"
            problems.append(Problem(where, found, "each patient on one side", "correct the folds"))
        if fold.protocol == "section" and not twins_may_part:
            problems += [_twins_apart(fold, ids) for ids in twins_across(cohort, fold)]
    if problems:
        raise DataContractError(problems)


def scored_panel_problems(
    cohort: Cohort, folds: Iterable[Fold], scored: Collection[str]
) -> Iterator[Problem]:
    """Say which test patients chose the genes by their scores; `scored` names those patients."""
    tested = {cohort.patients[id_] for fold in folds for id_ in fold.test}
    if both := sorted(set(scored) & tested):
        yield Problem(
            where="settings, target.genes",
            found=f"genes that were chosen by their scores on patients {', '.join(both)}, whom "
            "this run tests",
            expected="test patients without a part in the choice of genes: on these, the scores "
            "are too high",
            remedy="test other patients, or leave the choice to target.panel; rename other people "
            'of the same name; to measure the leak, set leaks = ["panel"] in [folds] under a '
            "leaky protocol, which every table then states",
        )


def twins_across(cohort: Cohort, fold: Fold) -> Iterator[tuple[str, ...]]:
    """Sections with the same picture, some in training and some in test."""
    for twins in twin_images(cohort[id_] for id_ in sorted({*fold.train, *fold.test})):
        ids = tuple(twin.id for twin in twins)
        if set(ids) & set(fold.train) and set(ids) & set(fold.test):
            yield ids


def _no_patient(section: str) -> Problem:
    return Problem(
        f"section {section}",
        "no patient",
        "the patient of every section: sections of one patient must stay together",
        "fill the patient column; do not invent a patient for each section",
    )


def _section_problems(section: Section, patient: str, *, counted: bool) -> Iterator[Problem]:
    where = f"section {section.id}"
    if section.patient != patient:
        yield Problem(
            where, f"patient {section.patient!r} and {patient!r}", "one patient", "correct one"
        )
    if counted and section.counts is None:
        yield Problem(
            where, "no counts", "a sequenced section", "leave it out here; predict it afterwards"
        )
    if counted and not len(section.spots):
        dropped = ", ".join(f"{name}: {n}" for name, n in section.dropped.items())
        yield Problem(
            where,
            f"no spots left (dropped by {dropped or 'no filter'})",
            "at least one spot",
            "loosen the filters, or leave out the section",
        )


def _twin_problem(twins: tuple[Section, ...]) -> Problem:
    named = ", ".join(f"{twin.id} (patient {twin.patient})" for twin in twins)
    return Problem(
        where=f"images of {named}",
        found="equal pixels under different patients",
        expected="one picture belongs to one patient",
        remedy="correct the patient column, or remove the copies",
    )


def _twins_apart(fold: Fold, ids: tuple[str, ...]) -> Problem:
    return Problem(
        f"fold {fold.name}",
        f"{', '.join(ids)} have equal pixels and are on both sides",
        "a picture is either in training or in test, also under the section protocol",
        "keep them together with fixed folds, or use the patient protocol; to repeat a published "
        'table with this leak, set leaks = ["twins"] in [folds], which every table then states',
    )
