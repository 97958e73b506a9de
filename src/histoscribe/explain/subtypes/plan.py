"""Checks of the question `subtypes`, all before the long work."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import AnswerPlan, ExplainRequest, problems_of
from histoscribe.explain.subtypes.answer import SubtypesAnswer
from histoscribe.explain.subtypes.bulk_patients import BulkPatients, read_patients
from histoscribe.explain.subtypes.claims import (
    PUBLISHED_CLAIMS,
    Claims,
    claim_problems,
    read_claims,
)
from histoscribe.explain.subtypes.class_answer import Protocol
from histoscribe.explain.subtypes.image_expression import ImageExpression, image_expression
from histoscribe.explain.subtypes.one_class import LabelledPatients, labelled_patients
from histoscribe.explain.subtypes.panel import SubtypePanel, subtype_panel
from histoscribe.explain.subtypes.question import SubtypesQuestionSettings
from histoscribe.explain.subtypes.templates import in_table

SEED = 0  # of folds, permutations and bootstraps; nobody needs another one


def plan_subtypes(request: ExplainRequest, settings: SubtypesQuestionSettings) -> AnswerPlan:
    """Read expression, labels, panel and claims, and check that they fit each other.

    Raises
    ------
    DataContractError
        for files that cannot be read or are broken, fewer than two classes or patients, classes
        with fewer members than folds, and claims or held shapes of unknown classes and genes.
    """
    bulk = read_patients(request, settings)
    images = image_expression(request, settings.predicted)
    bulk = bulk if images is None else _with_images(bulk, images)
    predicted = None if images is None else images.of(bulk.names, bulk.genes)
    usable = np.ones(len(bulk.genes.ids), dtype=bool)
    usable = usable if predicted is None else np.isfinite(predicted).all(axis=0)
    panel = subtype_panel(settings.panel, bulk.genes, usable, bulk.templates)
    names = _labels(bulk, settings)
    cells = {name: bulk.labels.of(name, bulk.names) for name in names}
    if problems := [
        p for name in names for p in _class_problems(name, cells[name], settings.folds)
    ]:
        raise DataContractError(problems)
    labelled = tuple(
        labelled_patients(name, cells[name], settings.folds, settings.repeats, SEED)
        for name in names
    )
    claims = _claims(bulk, settings)
    problems = [*_panel_problems(labelled, panel, claims, settings)]
    problems += problems_of([lambda: _survival(bulk)])
    if problems:
        raise DataContractError(problems)
    answer = SubtypesAnswer(
        bulk=bulk,
        predicted=predicted,
        panel=panel,
        labelled=labelled,
        claims=claims,
        survival=_survival(bulk),
        templates=None
        if bulk.templates is None
        else in_table(bulk.templates, bulk.genes.ids, bulk.genes.symbols),
        hold=settings.hold,
        protocol=Protocol(settings.permutations, settings.bootstraps, SEED),
        image_source="" if images is None else images.source,
    )
    sections = tuple(request.cohort[name] for name in request.cohort.ids)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _with_images(bulk: BulkPatients, images: ImageExpression) -> BulkPatients:
    """Patients with a prediction, too."""
    both = tuple(name for name in bulk.names if name in set(images.patients))
    if not both:
        raise DataContractError(
            Problem(
                where="image-predicted expression",
                found=f"no patient with measured expression among {', '.join(images.patients[:3])}",
                expected="the same names as in the bulk table",
                remedy="rename the patients in one of them",
            )
        )
    rows = [bulk.names.index(name) for name in both]
    left = len(bulk.names) - len(both)
    notes = (*bulk.notes, *images.notes)
    if left:
        notes = (*notes, f"left out, {left} patients without image-predicted expression")
    return BulkPatients(
        **{**vars(bulk), "names": both, "measured": bulk.measured[rows], "notes": notes}
    )


def _labels(bulk: BulkPatients, settings: SubtypesQuestionSettings) -> tuple[str, ...]:
    """Column of the subtypes, and the further ones."""
    labels = bulk.labels
    first = labels.names[0] if settings.label is None else settings.label
    further = labels.names if bulk.is_catalog else settings.further_labels
    return tuple(dict.fromkeys((first, *further)))


def _class_problems(label: str, cells: Sequence[str], n_folds: int) -> Iterator[Problem]:
    counts = Counter(cell for cell in cells if cell)
    where = f"label {label}"
    if sum(counts.values()) < 2 or len(counts) < 2:
        listed = ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"
        found = f"{len(counts)} classes, {sum(counts.values())} patients: {listed}"
        yield Problem(where, found, "at least two classes", "give labels that differ")
        return
    if few := {name: n for name, n in sorted(counts.items()) if n < n_folds}:
        listed = ", ".join(f"{name} has {n}" for name, n in few.items())
        yield Problem(
            where=where,
            found=f"classes with fewer patients than folds: {listed}",
            expected=f"at least {n_folds} patients in each class, one for each fold",
            remedy=f"set folds={max(2, min(few.values()))}, join classes, or leave their cells "
            "empty",
        )


def _claims(bulk: BulkPatients, settings: SubtypesQuestionSettings) -> Claims:
    if settings.claims is not None:
        return read_claims(settings.claims)
    standard = bulk.is_catalog and settings.panel == "colotype-partial"
    return read_claims(PUBLISHED_CLAIMS[0]) if standard else Claims()


def _panel_problems(
    labelled: Sequence[LabelledPatients],
    panel: SubtypePanel,
    claims: Claims,
    settings: SubtypesQuestionSettings,
) -> Iterator[Problem]:
    classes = [name for of in labelled for name in of.classes]
    for name, times in Counter(classes).items():
        if times > 1:
            found = f"the class {name} in several columns"
            yield Problem("labels", found, "each class once", "rename the class in one of them")
    yield from claim_problems(
        claims, classes, panel.names, f"claims {settings.claims or ''}".strip()
    )
    yield from _hold_problems(settings.hold, classes, panel.names)


def _hold_problems(
    hold: Mapping[str, str], classes: Sequence[str], genes: Sequence[str]
) -> Iterator[Problem]:
    for key in hold:
        name, _, gene = key.partition(":")
        for what, word, known in (("class", name, classes), ("gene", gene, genes)):
            if word not in known:
                near = get_close_matches(word, known, n=2, cutoff=0.5)
                yield Problem(
                    where=f"hold {key}",
                    found=f"no {what} {word!r} is scored"
                    if what == "class"
                    else f"no gene {word!r}",
                    expected=f"CLASS:GENE, the {what} one of {', '.join(known)}",
                    remedy=f"did you mean {' or '.join(near)}?" if near else "correct the name",
                )


def _survival(bulk: BulkPatients) -> Float[np.ndarray, "N 2"] | None:
    return bulk.labels.survival(bulk.names) if bulk.labels.has_survival else None
