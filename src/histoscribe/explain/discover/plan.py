"""Checks of the request for `discover`, before the long work."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from histoscribe.data.tile_measures.measures import MEASURES, find_measures
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.discover.confirmation import Confirmation
from histoscribe.explain.discover.freezing import Freezing
from histoscribe.explain.discover.frozen_file import FrozenHypotheses, read_hypotheses
from histoscribe.explain.discover.question import DiscoverQuestionSettings
from histoscribe.explain.discover.tissue_values import REGION, TissueReading
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.io.csv_table import read_csv_rows
from histoscribe.io.sections.labels import read_labels
from histoscribe.predictor.gene_choice import choose_genes
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

_OF_STAIN = ("haematoxylin_density", "eosin_density", "darkness")
_OF_THE_FILE = ("genes", "measures", "known", "least_effect", "most", "tiles")
"""Settings that a file of hypotheses holds."""


def plan_discover(request: ExplainRequest, settings: DiscoverQuestionSettings) -> AnswerPlan:
    """Check the request, and plan to freeze hypotheses or to test frozen ones.

    Raises
    ------
    DataContractError
        for unknown sections, genes and measures; labels that cannot be used; a file of hypotheses
        that was edited or belongs to another predictor; settings that such a file holds already;
        and sections without counts, or of the wrong patients.
    """
    problems = unknown_sections(request.cohort, settings.sections, "section")
    problems += unknown_sections(request.cohort, settings.labels, "labels")
    frozen: list[FrozenHypotheses] = []
    file = settings.hypotheses
    if file is not None:
        problems += problems_of([lambda: frozen.append(read_hypotheses(file))])
        problems += _settings_of_the_file(settings)
    else:
        problems += problems_of(
            [
                lambda: choose_genes(request.predictor, settings.genes),
                lambda: find_measures(settings.measures, request.predictor.encoding.mpp),
                lambda: _known_pairs(settings.known),
            ]
        )
    if problems:
        raise DataContractError(problems)
    if frozen:
        return _plan_test(request, settings, frozen[0])
    return _plan_freezing(request, settings)


def _plan_freezing(request: ExplainRequest, settings: DiscoverQuestionSettings) -> AnswerPlan:
    predictor = request.predictor
    sections = _sections(request, settings, trained=True)
    _check(predictor, sections, settings.labels)
    mpp = predictor.encoding.mpp
    fit = [of.name for of in MEASURES if mpp <= of.coarsest_mpp and of.name not in _OF_STAIN]
    if settings.genes:
        ids = choose_genes(predictor, settings.genes).genes
        genes = tuple(predictor.target.genes.index(gene) for gene in ids)
    else:
        genes = tuple(range(len(predictor.target.genes)))
    reading = TissueReading(
        genes=genes,
        measures=tuple(dict.fromkeys(settings.measures or fit)),
        labels=settings.labels,
        n_tiles=settings.tiles,
    )
    answer = Freezing(
        request=request,
        sections=sections,
        reading=reading,
        known=frozenset(_known_pairs(settings.known)),
        least_effect=settings.least_effect,
        most=settings.most,
    )
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _plan_test(
    request: ExplainRequest, settings: DiscoverQuestionSettings, frozen: FrozenHypotheses
) -> AnswerPlan:
    predictor = request.predictor
    sections = _sections(request, settings, trained=False)
    problems = [*_foreign(predictor, frozen, settings), *_twins(sections, frozen)]
    problems += problems_of([lambda: _check(predictor, sections, settings.labels)])
    if not frozen.items:
        problems.append(
            Problem(
                where=f"hypotheses {settings.hypotheses}",
                found="no hypothesis: no pair had an effect of that size",
                expected="at least one",
                remedy="look for hypotheses again with a smaller least_effect",
            )
        )
    if problems:
        raise DataContractError(problems)
    if problems := [*_not_in_sections(frozen, settings, sections)]:
        raise DataContractError(problems)
    place = {gene: column for column, gene in enumerate(predictor.target.genes)}
    reading = TissueReading(
        genes=tuple(dict.fromkeys(place[of.gene] for of in frozen.items)),
        measures=frozen.measures,
        labels=settings.labels,
        n_tiles=frozen.n_tiles,
    )
    path = Path(str(settings.hypotheses))
    answer = Confirmation(request, sections, reading, frozen, path)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def _sections(
    request: ExplainRequest, settings: DiscoverQuestionSettings, *, trained: bool
) -> tuple[Section, ...]:
    """Sections of training patients or of others; named ones must be of the right kind."""
    cohort, predictor = request.cohort, request.predictor
    named = [cohort[name] for name in settings.sections or cohort.ids]
    right = tuple(of for of in named if (trained_on(predictor, of) is not None) is trained)
    wrong = [of.id for of in named if of not in right] if settings.sections else []
    kind = "training patients" if trained else "patients who were not in training"
    if wrong or not right:
        raise DataContractError(
            Problem(
                where=f"section {', '.join(wrong)}" if wrong else "the cohort",
                found=f"{'not' if wrong else 'no section'} of {kind} of {predictor.name}",
                expected="hypotheses come from training patients, and are tested on others",
                remedy="give sections of training patients to look for hypotheses, and others "
                "with `hypotheses` to test them",
            )
        )
    return right


def _check(predictor: Predictor, sections: Sequence[Section], labels: Mapping[str, Path]) -> None:
    """Raises DataContractError for sections without counts, coarse images and unusable labels."""
    problems = problems_of(partial(predictor.encoding.tiles.check, of) for of in sections)
    problems += [
        Problem(
            where=f"section {of.id}",
            found="no counts",
            expected="measured genes: a hypothesis is about what was measured",
            remedy="leave it out, or give its counts",
        )
        for of in sections
        if of.counts is None
    ]
    problems += problems_of(
        partial(read_labels, labels[of.id], of.spots) for of in sections if of.id in labels
    )
    if problems:
        raise DataContractError(problems)


def _known_pairs(path: Path | None) -> set[tuple[str, str]]:
    """Gene and concept of every line; raises DataContractError for another table."""
    if path is None:
        return set()
    try:
        header, rows = read_csv_rows(path)
    except (OSError, ValueError, csv.Error) as error:
        header, rows, why = [], [], f" ({error})"
    else:
        why = ""
    if not {"gene", "concept"} <= {*header}:
        raise DataContractError(
            Problem(
                where=f"known {path}",
                found=f"columns {', '.join(header) or 'none'}{why}",
                expected="a CSV table with the columns gene and concept",
                remedy="correct the table; a region is a concept `region NAME`",
            )
        )
    pairs = {(row.get("gene", "").strip(), row.get("concept", "").strip()) for row in rows}
    if not all(gene and concept for gene, concept in pairs):
        raise DataContractError(
            Problem(
                where=f"known {path}",
                found="a line without a gene or a concept",
                expected="both in every line",
                remedy="correct the table",
            )
        )
    return pairs


def _settings_of_the_file(settings: DiscoverQuestionSettings) -> Iterator[Problem]:
    for name in sorted(settings.model_fields_set & {*_OF_THE_FILE}):
        yield Problem(
            where=f"explain discover, {name}",
            found="given beside a file of hypotheses",
            expected="the test has the settings with which the hypotheses were frozen",
            remedy="leave it out",
        )


def _foreign(
    predictor: Predictor, frozen: FrozenHypotheses, settings: DiscoverQuestionSettings
) -> Iterator[Problem]:
    name = f"{predictor.row}@{predictor.hash}"
    if frozen.predictor != name:
        yield Problem(
            where=f"hypotheses {settings.hypotheses}",
            found=f"frozen for the predictor {frozen.predictor}",
            expected=f"hypotheses of {name}: genes are measured in its unit",
            remedy="give that predictor",
        )


def _twins(sections: Sequence[Section], frozen: FrozenHypotheses) -> Iterator[Problem]:
    """Sections whose patient or image is one of those from whom the hypotheses come."""
    for of in sections:
        if of.patient in frozen.patients or of.slide.pixel_hash() in frozen.images:
            yield Problem(
                where=f"section {of.id}",
                found="its patient or its image is one from which the hypotheses come",
                expected="sections of other patients",
                remedy="leave it out",
            )


def _not_in_sections(
    frozen: FrozenHypotheses, settings: DiscoverQuestionSettings, sections: Sequence[Section]
) -> Iterator[Problem]:
    """Regions that no label names, and genes that no section measured: a test would be spent."""
    tables = [(settings.labels[of.id], of.spots) for of in sections if of.id in settings.labels]
    labels = {f"{REGION}{name}" for path, spots in tables for name in read_labels(path, spots)}
    regions = {of.concept for of in frozen.items if of.concept.startswith(REGION)} - labels
    if regions:
        yield Problem(
            where="explain discover, labels",
            found=f"no labels, and hypotheses about {', '.join(sorted(regions))}",
            expected="every region in at least one section",
            remedy="give labels of these sections, under the names of the first step",
        )
    measured = {gene for of in sections for gene in of.measured.gene_ids}
    genes = {of.gene for of in frozen.items} - measured
    if genes:
        yield Problem(
            where="the sections",
            found=f"none measured {', '.join(sorted(genes))}",
            expected="every frozen gene in at least one section",
            remedy="give sections that measured them",
        )
