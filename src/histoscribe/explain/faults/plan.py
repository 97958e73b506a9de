"""Checks of the request for `faults`, before the long work."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.faults.answer import FaultsAnswer
from histoscribe.explain.faults.facts import PatientFacts
from histoscribe.explain.faults.held_out import shared_genes
from histoscribe.explain.faults.question import FaultsQuestionSettings
from histoscribe.explain.faults.reduction_plan import plan_reduction
from histoscribe.explain.faults.spot_classes import TAKEN
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    unknown_sections,
)
from histoscribe.io.sections.labels import read_labels
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort, Section


def plan_faults(request: ExplainRequest, settings: FaultsQuestionSettings) -> AnswerPlan:
    """Check the request and plan the work: errors by class, or the experiment.

    Raises
    ------
    DataContractError
        for an unknown section, fact or class, a fact with one class only or with the name of a
        division, no held-out patient, sections without counts or without a gene that all measured,
        labels that cannot be used, and a model that cannot be trained again for the experiment.
    """
    problems = unknown_sections(request.cohort, settings.sections, "section")
    problems += unknown_sections(request.cohort, settings.labels, "labels")
    problems += _model_problems(request.predictor)
    if problems:
        raise DataContractError(problems)
    if settings.reduce is not None:
        return plan_reduction(request, settings)
    predictor, cohort = request.predictor, request.cohort
    held_out = _held_out(predictor, cohort, settings.sections or cohort.ids)
    if not held_out:
        raise DataContractError(_none_held_out(predictor, settings.sections))
    patients = {str(cohort.patients[id_]) for id_ in held_out}
    facts = PatientFacts.of_cohort(cohort)
    problems += facts.problems(settings.facts, patients, "the held-out patients")
    sections = tuple(cohort[id_] for id_ in held_out)
    compared = settings.facts or facts.compared(patients)
    problems += _name_problems([fact for fact in compared if fact in facts.of_patient])
    problems += [problem for of in sections for problem in _section_problems(predictor, of)]
    problems += _label_problems(cohort, settings.labels)
    if problems or (problems := _gene_problems(predictor, sections)):
        raise DataContractError(problems)
    answer = FaultsAnswer(
        request=request,
        sections=sections,
        facts=facts,
        compared=compared,
        labels=settings.labels,
    )
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _model_problems(predictor: Predictor) -> list[Problem]:
    if not predictor.target.samples:
        return []
    return [
        Problem(
            where=f"predictor {predictor.name}",
            found=f"its values are of {predictor.target.samples}, not of single spots",
            expected="a predictor of spots, whose errors can be measured",
            remedy="give another predictor",
        )
    ]


def _held_out(predictor: Predictor, cohort: Cohort, ids: Sequence[str]) -> list[str]:
    """Ids of sections whose patients were not in training."""
    card = predictor.card
    return [
        id_
        for id_ in sorted(ids)
        if id_ not in card.sections and cohort.patients[id_] not in card.patients
    ]


def _none_held_out(predictor: Predictor, named: Sequence[str]) -> Problem:
    return Problem(
        where="the sections" if named else "the cohort",
        found=f"no section of a patient whom {predictor.name} was not trained on",
        expected="sections of held-out patients: errors on training tissue say nothing",
        remedy="give other patients, a predictor of a fold of a benchmark, or train one without "
        "some patients",
    )


def _section_problems(predictor: Predictor, section: Section) -> list[Problem]:
    problems = problems_of((partial(predictor.encoding.tiles.check, section),))
    if section.counts is None:
        problems.append(
            Problem(
                where=f"section {section.id}",
                found="no counts",
                expected="measured expression: without it there is no error",
                remedy="leave the section out, or give its counts",
            )
        )
    elif not set(section.counts.gene_ids) & set(predictor.target.genes):
        problems.append(
            Problem(
                where=f"section {section.id}",
                found=f"none of the {len(predictor.target.genes)} genes of {predictor.name}",
                expected="genes under the ids that training had",
                remedy="leave the section out, or correct its gene ids",
            )
        )
    return problems


def _name_problems(facts: Sequence[str]) -> list[Problem]:
    return [
        Problem(
            where=f"fact {fact}",
            found="faults has a division of this name",
            expected="another name",
            remedy="rename the column",
        )
        for fact in facts
        if fact in TAKEN
    ]


def _gene_problems(predictor: Predictor, sections: Sequence[Section]) -> list[Problem]:
    """Problem of held-out sections whose gene panels do not overlap."""
    if len(shared_genes(predictor, sections)):
        return []
    return [
        Problem(
            where="the held-out sections",
            found=f"no gene of {predictor.name} that all {len(sections)} measured",
            expected="genes in common: errors of different genes cannot be compared",
            remedy="name sections of one panel with `sections`",
        )
    ]


def _label_problems(cohort: Cohort, labels: Mapping[str, Path]) -> list[Problem]:
    return problems_of(
        partial(read_labels, path, cohort[id_].spots) for id_, path in labels.items()
    )
