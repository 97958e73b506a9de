"""Checks of the request for `concepts`, before the long work."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from histoscribe.data.images import SlideTiles
from histoscribe.data.tile_measures.measures import MEASURES, find_measures
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.concepts.answer import GIVEN, ConceptsAnswer
from histoscribe.explain.concepts.collection import Wishes
from histoscribe.explain.concepts.question import ConceptsQuestionSettings
from histoscribe.explain.concepts.readings import check_layers, main_layers
from histoscribe.explain.concepts.vectors import FEWEST_GROUPS
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    check_number_of_genes,
    problems_of,
    unknown_sections,
)
from histoscribe.models.base import Estimator, ExpressionModel, model_class
from histoscribe.models.catalog import list_models
from histoscribe.predictor.gene_choice import GeneChoice, best_genes, choose_genes
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

MOST_GENES = 6
"""More do not fit the figure."""


def plan_concepts(request: ExplainRequest, settings: ConceptsQuestionSettings) -> AnswerPlan:
    """Check the request and plan the work.

    Raises
    ------
    DataContractError
        For a model without gradients, an unknown section, gene, layer or measure, tiles that are
        too coarse for a measure, too many genes, and fewer than three patients or sections.
    """
    predictor = request.predictor
    problems = unknown_sections(request.cohort, settings.sections, "section")
    problems += problems_of(
        (
            lambda: check_network(predictor),
            lambda: _genes(predictor, settings.genes),
            lambda: find_measures(settings.measures, predictor.encoding.mpp),
            lambda: find_measures((GIVEN,), predictor.encoding.mpp),
        )
    )
    if problems:
        raise DataContractError(problems)
    sections = tuple(request.cohort[name] for name in settings.sections or request.cohort.ids)
    _check_sections(predictor, sections)
    tile = SlideTiles(sections[0], predictor.encoding.tiles).read(np.zeros(1, dtype=np.int64))
    answer = ConceptsAnswer(
        request=request,
        sections=sections,
        genes=_genes(predictor, settings.genes),
        wishes=Wishes(
            measures=_measures(predictor, settings.measures),
            layers=_layers(predictor, tile, settings.layers),
            genes=tuple(
                predictor.target.genes.index(gene)
                for gene in _genes(predictor, settings.genes).genes
            ),
            n_tiles=settings.tiles,
        ),
    )
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


def check_network(predictor: Predictor) -> None:
    """Check that predictions have gradients to the pixels.

    Raises DataContractError that names the models that have them.
    """
    if not isinstance(predictor.model, Estimator):
        return
    networks = [name for name in list_models() if issubclass(model_class(name), ExpressionModel)]
    raise DataContractError(
        Problem(
            where=f"predictor {predictor.name}",
            found=f"{predictor.model.name} is no network: it has no layers and no gradient",
            expected=f"a predictor of {', '.join(networks)}",
            remedy="give a predictor of one of these models",
        )
    )


def _genes(predictor: Predictor, names: Sequence[str]) -> GeneChoice:
    """Raises DataContractError for unknown genes, and for more than the figure has room for."""
    choice = choose_genes(predictor, names) if names else best_genes(predictor, MOST_GENES)
    check_number_of_genes(choice, MOST_GENES, "concepts", "which fit one figure")
    return choice


def _measures(predictor: Predictor, names: Sequence[str]) -> tuple[str, ...]:
    """The named measures, else all that the tiles are fine enough for; always `GIVEN`."""
    mpp = predictor.encoding.mpp
    fit = names or [measure.name for measure in MEASURES if mpp <= measure.coarsest_mpp]
    return tuple(dict.fromkeys((*fit, GIVEN)))


def _layers(
    predictor: Predictor, tile: UInt8[Tensor, "1 3 P P"], names: Sequence[str]
) -> tuple[str, ...]:
    if not names:
        return main_layers(predictor, tile)
    check_layers(predictor, tile, names)
    return tuple(dict.fromkeys(names))


def _check_sections(predictor: Predictor, sections: Sequence[Section]) -> None:
    """Raises DataContractError for too coarse images, and for too few sections."""
    tiles = predictor.encoding.tiles
    problems = problems_of(partial(tiles.check, section) for section in sections)
    if len(sections) < FEWEST_GROUPS:
        problems.append(
            Problem(
                where="explain concepts",
                found=f"{len(sections)} sections",
                expected=f"at least {FEWEST_GROUPS} sections, better of as many patients: vectors "
                "are fitted without some and tried on these",
                remedy="give more sections",
            )
        )
    if problems:
        raise DataContractError(problems)
