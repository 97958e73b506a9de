"""Checks of the experiment that takes a class of patients out of training."""

from dataclasses import dataclass
from functools import partial

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.faults.facts import PatientFacts
from histoscribe.explain.faults.question import FaultsQuestionSettings
from histoscribe.explain.faults.reduction import Reduction
from histoscribe.explain.faults.reduction_answer import ReductionAnswer
from histoscribe.explain.request import AnswerPlan, ExplainRequest, problems_of
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.near_names import did_you_mean
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.types import Cohort

FEWEST_OF_CLASS = 4
"""Patients of the class: 0, 1, 2 and all in training are four levels, and one is held out."""
FEWEST_OTHERS = 3
"""Other patients: two in training, of which one is for choices, and one is held out."""


@dataclass(frozen=True)
class _Wish:
    """Fact and class of the experiment."""

    fact: str
    one: str


def plan_reduction(request: ExplainRequest, settings: FaultsQuestionSettings) -> AnswerPlan:
    """Check fact, class and recipe, and plan the trainings.

    Raises
    ------
    DataContractError
        as `plan_faults`, and whatever stops a training.
    """
    cohort = request.cohort
    if settings.sections:
        cohort = cohort.subset(settings.sections)
    fact, one = str(settings.reduce).split("=", 1)
    wish, facts = _Wish(fact.strip(), one.strip()), PatientFacts.of_cohort(cohort)
    recipe: list[RunSettings] = []
    problems = problems_of((lambda: recipe.append(training_recipe(request.predictor)),))
    problems += facts.problems([wish.fact], set(map(str, cohort.patients.values())), "the patients")
    problems += problems or _class_problems(facts, wish)
    problems += _section_problems(cohort)
    if problems:
        raise DataContractError(dict.fromkeys(problems))
    of_patient = facts.of_patient[wish.fact]
    run_data = RunData(recipe[0], cohort, request.predictor.weights, request.cache)
    reduction = Reduction(run_data, of_patient, wish.one, settings.draws)
    run_data.check([reduction.first_fold])
    answer = ReductionAnswer(request, reduction, wish.fact)
    return AnswerPlan(about=answer.about, sections=tuple(cohort), work=answer.work)


def _class_problems(facts: PatientFacts, wish: _Wish) -> list[Problem]:
    of_patient = facts.of_patient[wish.fact]
    classes = sorted(set(of_patient.values()))
    where = f"reduce {wish.fact}={wish.one}"
    if wish.one not in classes:
        return [
            Problem(
                where=where,
                found=f"no patient is {wish.one}",
                expected=f"one of {', '.join(classes)}",
                remedy=did_you_mean(wish.one, classes, "correct the class"),
            )
        ]
    n_class = sum(one == wish.one for one in of_patient.values())
    n_others = len(of_patient) - n_class
    few = partial(
        Problem,
        where=where,
        expected=f"at least {FEWEST_OF_CLASS} patients of the class and {FEWEST_OTHERS} others: "
        "some of each stay held out",
        remedy="give more patients, or another class",
    )
    if n_class >= FEWEST_OF_CLASS and n_others >= FEWEST_OTHERS:
        return []
    return [few(found=f"{n_class} patients of the class and {n_others} others")]


def _section_problems(cohort: Cohort) -> list[Problem]:
    return [
        Problem(
            where=f"section {section.id}",
            found="no counts",
            expected="measured expression, to train on and to measure errors",
            remedy="leave the section out, or give its counts",
        )
        for section in cohort
        if section.counts is None
    ]
