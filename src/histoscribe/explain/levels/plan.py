"""What a question about levels needs, checked before the long work."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.data.tile_measures.measures import MEASURES, find_measures
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.levels.bins import LevelBins
from histoscribe.explain.levels.labels import (
    measured_problems,
    patient_labels,
    reads_bulk,
    spot_labels,
)
from histoscribe.explain.levels.question import LevelsQuestionSettings
from histoscribe.explain.levels.spots import sections_by_patient
from histoscribe.explain.request import ExplainRequest, problems_of, unknown_sections
from histoscribe.predict.bag_patients import predicts_bags
from histoscribe.predictor.gene_choice import GeneChoice, one_gene
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False)
class LevelPlan:
    """Checked input of the question."""

    predictor: Predictor
    sections: tuple[Section, ...]
    gene: GeneChoice
    concepts: tuple[str, ...]
    measured: Float[np.ndarray, " n"]
    """Of each spot; of a model of bags of each patient; all NaN where nothing was measured."""
    by: str
    cache: Path
    bulk: str | None
    with_sheet: bool

    @property
    def of_bags(self) -> bool:
        """Whether patients have one value each."""
        return predicts_bags(self.predictor)

    @property
    def column(self) -> int:
        """Place of the gene in the panel."""
        return self.predictor.target.genes.index(self.gene.genes[0])

    @property
    def label(self) -> str:
        """Name of the gene in figures."""
        return self.gene.labels[0]


def check_levels(request: ExplainRequest, settings: LevelsQuestionSettings) -> LevelPlan:
    """Find gene, sections, measures and measured values.

    Raises
    ------
    DataContractError
        for unknown names, measures that need finer tiles, values that were not measured, patients
        that are unknown or too few, and a gene whose values are all equal.
    """
    predictor = request.predictor
    genes: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, settings.sections, "section"),
        *problems_of(
            [
                lambda: genes.append(one_gene(predictor, settings.gene)),
                lambda: find_measures(settings.concepts, predictor.encoding.tiles.mpp),
            ]
        ),
    ]
    if request.bulk is not None and not reads_bulk(predictor.target):
        problems.append(_no_bulk(predictor, request.bulk))
    if problems:
        raise DataContractError(problems)
    names = settings.sections or request.cohort.ids
    sections = tuple(request.cohort[name] for name in names)
    if problems := _problems_of_sections(request, settings, sections):
        raise DataContractError(problems)
    plan = LevelPlan(
        predictor=predictor,
        sections=sections,
        gene=genes[0],
        concepts=settings.concepts or _concepts(predictor.encoding.tiles.mpp),
        measured=_measured(request, sections, genes[0]),
        by=settings.by,
        cache=request.cache,
        bulk=request.bulk,
        with_sheet=settings.sheet,
    )
    if plan.by == "measured":
        bins_of(plan.measured, plan.label)
    return plan


def _problems_of_sections(
    request: ExplainRequest, settings: LevelsQuestionSettings, sections: tuple[Section, ...]
) -> list[Problem]:
    predictor = request.predictor
    problems = [
        *_section_problems(predictor, sections),
        *problems_of(_tile_checks(predictor, sections)),
    ]
    if settings.by == "measured":
        problems += measured_problems(predictor.target, sections, request.bulk)
    elif settings.sheet:
        problems.append(_circular_sheet())
    return problems


def bins_of(values: Float[np.ndarray, " n"], gene: str) -> LevelBins:
    """Seven bins of the defined values.

    Raises DataContractError for a gene without values, and for one whose values are all equal.
    """
    known = values[~np.isnan(values)]
    try:
        if not known.size:
            raise ValueError("none of its values was measured")
        return LevelBins.over(known)
    except ValueError as error:
        raise DataContractError(
            Problem(
                where=f"gene {gene}",
                found=str(error),
                expected="values that differ between spots or patients",
                remedy="ask about another gene, or for levels of predictions: --by predicted",
            )
        ) from None


def _measured(
    request: ExplainRequest, sections: tuple[Section, ...], gene: GeneChoice
) -> Float[np.ndarray, " n"]:
    target = request.predictor.target
    column, of_bags = target.genes.index(gene.genes[0]), predicts_bags(request.predictor)
    if any(measured_problems(target, sections, request.bulk)):  # levels of predictions
        n = len(sections_by_patient(sections)) if of_bags else sum(len(s.spots) for s in sections)
        return np.full(n, np.nan)
    if of_bags:
        return patient_labels(target, sections, column, request.bulk)
    return spot_labels(target, sections, column)


def _concepts(mpp: float) -> tuple[str, ...]:
    return tuple(measure.name for measure in MEASURES if mpp <= measure.coarsest_mpp)


def _tile_checks(predictor: Predictor, sections: tuple[Section, ...]) -> list:
    return [lambda s=section: predictor.encoding.tiles.check(s) for section in sections]


def _section_problems(predictor: Predictor, sections: tuple[Section, ...]) -> Iterator[Problem]:
    if not predicts_bags(predictor):
        return
    if unknown := [section.id for section in sections if section.patient is None]:
        yield Problem(
            where=f"section {', '.join(unknown)}",
            found="no patient",
            expected="a patient: the model predicts patients",
            remedy="name it in the manifest, or leave the section out",
        )
    elif len(n_patients := sections_by_patient(sections)) < 2:
        yield Problem(
            where="the cohort",
            found=f"sections of one patient, {', '.join(n_patients)}",
            expected="at least two patients: each has one value",
            remedy="give the sections of more patients",
        )


def _circular_sheet() -> Problem:
    return Problem(
        where="explain levels",
        found="a reading sheet of levels of predictions",
        expected="measured values: the model itself would be right in every tile",
        remedy="leave out --sheet or --by predicted",
    )


def _no_bulk(predictor: Predictor, bulk: str) -> Problem:
    return Problem(
        where=f"bulk {bulk}",
        found=f"predictor {predictor.name} was trained on {predictor.target.samples or 'spots'}",
        expected="no bulk table: the counts of the sections give the measured values",
        remedy="leave it out, or give a predictor of bulk expression",
    )
