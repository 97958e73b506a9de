"""Puts a question to predictors and writes the folder of its answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, PredictorOrigin
from histoscribe.explain.question import Question
from histoscribe.explain.questions import find_question
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.run_folder import claimed, in_folder
from histoscribe.io.weights import cache_folder
from histoscribe.predictor.facts import spots_hash
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor
from histoscribe.strict import StrictSettings, settings_problems
from histoscribe.threads import fixed_threads
from histoscribe.train.arguments import AnyCohort
from histoscribe.types import Cohort, CohortEntry, Section

REQUEST_FILE = "question.json"
AnyPredictor = Predictor | str | Path


def explain(
    question: str,
    predictors: AnyPredictor | Sequence[AnyPredictor] = (),
    cohort: AnyCohort | Sequence[Section] | None = None,
    *,
    bulk: str | Path | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> Finding:
    """Answer a question about predictors, with the same numbers by chance beside the answer.

    Equal questions give equal files. A folder holds one answer.

    Parameters
    ----------
    question
        Its name, e.g. `latent`; `histoscribe explain` lists the questions.
    predictors
        One or several, each loaded or as the path of its folder.
    cohort
        A manifest's path, `catalog:NAME`, `hest:FOLDER`, `stnet:FOLDER`, a cohort or sections.
    bulk
        Path of a table of bulk expression, or `catalog:NAME`, for a question that reads one.
    out
        Folder for the files; by default a temporary one that is removed with the finding.
    settings
        Of the question, e.g. `gene="ERBB2"`; `histoscribe explain QUESTION --help` lists them.

    Raises
    ------
    DataContractError
        for an unknown question or setting, with the near names, and for anything given that the
        question cannot use.

    Examples
    --------
    >>> import histoscribe as hs
    >>> finding = hs.explain("latent", "egn", "cohort.csv", out="tissue")  # doctest: +SKIP
    """
    known = find_question(question)
    wishes = question_settings(known, settings)
    request = _request(known, _listed(predictors), cohort, bulk)
    return in_folder(out, partial(answer, known, request, wishes))


def answer(
    question: Question, request: ExplainRequest, settings: StrictSettings, out: Path
) -> Finding:
    """Answer a question; `out` then holds figures, tables and `finding.json`."""
    with fixed_threads():
        return _answer(question, request, settings, out)


def _answer(
    question: Question, request: ExplainRequest, settings: StrictSettings, out: Path
) -> Finding:
    plan = question.plan(request, settings)
    record = {
        "question": question.name,
        **plan.about,
        "images": {section.id: section.slide.pixel_hash() for section in plan.sections},
        "spots": {section.id: spots_hash(section) for section in plan.sections},
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    with claimed(out, {REQUEST_FILE: text}):
        origins = tuple(_origin(predictor) for predictor in request.predictors)
        finding = replace(plan.work(out), predictors=origins)
        finding.write()
    return finding


def _origin(predictor: Predictor) -> PredictorOrigin:
    benchmark = predictor.benchmark
    folds = None if benchmark is None else benchmark.card.folds_sha256
    return PredictorOrigin(predictor.row, predictor.hash, folds)


def question_settings(question: Question, settings: Mapping[str, Any]) -> StrictSettings:
    """Check the settings of a question.

    Raises DataContractError that lists every unknown name, with the near ones, and wrong value.
    """
    try:
        return question.settings.model_validate(settings)
    except ValidationError as error:
        where = f"explain {question.name}"
        expected = f"a value as `histoscribe {where} --help` describes it"
        raise DataContractError(
            settings_problems(error, question.settings, where, expected)
        ) from None


def input_problems(
    question: Question, n_predictors: int, *, has_cohort: bool, bulk: str | Path | None = None
) -> Iterator[Problem]:
    """Say what a question needs and was not given, or cannot use."""
    where = f"explain {question.name}"
    yield from _predictor_problems(question, n_predictors)
    if question.needs_cohort and not has_cohort:
        yield Problem(
            where=where,
            found="no cohort",
            expected="a cohort: this question is about its sections",
            remedy="give a manifest, catalog:NAME, hest:FOLDER or stnet:FOLDER",
        )
    if question.bulk == "none" and bulk is not None:
        found = f"the question {question.name} reads no bulk expression"
        yield Problem(f"bulk {bulk}", found, "no bulk table", "leave it out")
    if question.bulk == "required" and bulk is None:
        yield Problem(
            where=where,
            found="no bulk expression",
            expected="a table of bulk expression: this question is about its patients",
            remedy="give a file with --bulk, or --bulk catalog:NAME",
        )


def _predictor_problems(question: Question, n_predictors: int) -> Iterator[Problem]:
    fewest = 1 if question.predictors in ("one", "at least one") else 0
    most = {"none": 0, "one": 1}.get(question.predictors, n_predictors)
    if fewest <= n_predictors <= most:
        return
    words = {"none": "no predictor", "one": "one predictor", "at least one": "at least one"}
    yield Problem(
        where=f"explain {question.name}",
        found=f"{n_predictors} predictors" if n_predictors else "no predictor",
        expected=words[question.predictors],
        remedy="leave them out" if most == 0 else "give a folder that `train` or `benchmark` wrote",
    )


def _request(
    question: Question,
    predictors: Sequence[AnyPredictor],
    cohort: AnyCohort | Sequence[Section] | None,
    bulk: str | Path | None,
) -> ExplainRequest:
    """Load predictors and cohort after checking their number."""
    has_cohort = isinstance(cohort, Path) or bool(cohort)  # one without sections is none
    problems = [*input_problems(question, len(predictors), has_cohort=has_cohort, bulk=bulk)]
    if problems:
        raise DataContractError(problems)
    return ExplainRequest(
        predictors=tuple(_predictor(item) for item in predictors),
        cohort=_cohort(cohort),
        bulk=None if bulk is None else str(bulk),
        cache=cache_folder(),
    )


def _listed(predictors: AnyPredictor | Sequence[AnyPredictor]) -> Sequence[AnyPredictor]:
    if isinstance(predictors, Predictor | str | Path):
        return (predictors,)
    return predictors


def _predictor(predictor: AnyPredictor) -> Predictor:
    return predictor if isinstance(predictor, Predictor) else load_predictor(predictor)


def _cohort(cohort: AnyCohort | Sequence[Section] | None) -> Cohort:
    if isinstance(cohort, Cohort):
        return cohort
    if isinstance(cohort, str | Path):
        return read_cohort(cohort)
    return Cohort([_entry(section) for section in cohort or ()])


def _entry(section: Section) -> CohortEntry:
    return CohortEntry(section.id, section.patient, lambda: section)
