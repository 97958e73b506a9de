"""The answer to `where`: maps of each gene, how far members agree, and the pixels of some tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.data.items.spots import SpotQueries
from histoscribe.errors import DataContractError
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    check_number_of_genes,
    problems_of,
    unknown_sections,
)
from histoscribe.explain.spot_choice import DrawnSpot, named_spots
from histoscribe.explain.where.against.choice import ReferenceFiles
from histoscribe.explain.where.against.gene_values import gene_reference, measured_reference
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.explain.where.caveats import caveats_of
from histoscribe.explain.where.gradients import gradient_problem, has_gradient
from histoscribe.explain.where.maps import Maps, maps_of, queries_of, stacked
from histoscribe.explain.where.members import Member, member_problems, members_of, untrained_members
from histoscribe.explain.where.question import WhereQuestionSettings
from histoscribe.explain.where.results import SectionMaps, results_of
from histoscribe.explain.where.sheets import draw_sheets, write_tables
from histoscribe.explain.where.tile_removal import TileRemoval
from histoscribe.explain.where.tiles import explain_tiles
from histoscribe.extras import need
from histoscribe.predictor.gene_choice import GeneChoice, choose_genes, one_gene
from histoscribe.seed import stream
from histoscribe.types import Section

MOST_GENES = 6
"""More would be too many figures for one answer."""
MOST_COMPARED_GENES = 30
"""Genes of the panel, those of the figures among them, between which maps are compared."""
_SEED = 0  # of the other genes; nobody needs another one


def plan_where(request: ExplainRequest, settings: WhereQuestionSettings) -> AnswerPlan:
    """Find the section, the genes and the tiles, and plan the work on them.

    Raises
    ------
    DataContractError
        For predictors that are no members of one ensemble, an unknown section, gene or spot, too
        many genes, tiles for a model without a gradient, and an image that is too coarse.
    """
    genes, other_genes = _checked_genes(request, settings)
    predictors = request.predictors
    attribution = settings.attribution and all(map(has_gradient, predictors))
    if attribution:
        need("captum.attr", "explain", "explain where, attribution")
    section = _section(request, settings.section)
    files = ReferenceFiles(
        labels=settings.labels,
        mask=settings.mask,
        against=settings.against,
        points=settings.points,
    )
    tiles: list[DrawnSpot] = []
    references: list[MapReference] = []
    problems = problems_of(
        [
            *(partial(predictor.encoding.tiles.check, section) for predictor in predictors),
            lambda: tiles.extend(named_spots(section, settings.tiles)),
            lambda: references.extend(files.references(section)),
        ]
    )
    if problems:
        raise DataContractError(problems)
    answer = WhereAnswer(
        request=request,
        section=section,
        genes=genes,
        other_genes=other_genes,
        tiles=tuple(tiles),
        attribution=attribution,
        deletion=settings.deletion,
        files=files,
        references=tuple(references),
    )
    return AnswerPlan(about=answer.about, sections=(section,), work=answer.work)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class WhereAnswer:
    """Answers the question for some genes of one section."""

    request: ExplainRequest
    section: Section
    genes: GeneChoice
    other_genes: GeneChoice
    """Genes whose predictions maps are held against."""
    tiles: tuple[DrawnSpot, ...]
    """The tiles to explain; empty where a rule will choose them."""
    attribution: bool
    """Whether tiles are explained pixel by pixel."""
    deletion: bool
    """Whether the best-ranked tiles are removed."""
    files: ReferenceFiles
    references: tuple[MapReference, ...]
    """What the files say of the section."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictors, section, genes, unit and tiles."""
        section, predictors = self.section, self.request.predictors
        tiles = " ".join(section.spots.ids[spot.row] for spot in self.tiles) or "chosen by rule"
        return {
            "predictors": " ".join(f"{of.row}@{of.hash}" for of in predictors),
            "section": section.id,
            "patient": section.patient or "unknown",
            "genes": " ".join(self.genes.labels),
            "gene_ids": " ".join(self.genes.genes),
            "gene_choice": self.genes.why,
            "unit": predictors[0].target.unit,
            "tiles": tiles if self.attribution else "none",
            "deletion": "yes" if self.deletion else "no",
            "other_genes": " ".join(self.other_genes.genes) or "none",
            **self.files.about,
        }

    def work(self, out: Path) -> Finding:
        """Map the genes, compare the maps with chance, and explain some tiles."""
        predictors = self.request.predictors
        queries = {
            id(predictor): queries_of(predictor, self.section, self.request.cache)
            for predictor in predictors
        }
        maps = self._maps(queries)
        removals = [
            TileRemoval(predictor, self.section, queries[id(predictor)])
            for predictor in (predictors if self.deletion else ())
        ]
        results = results_of(maps, removals)
        tiles = None
        if self.attribution:
            tiles = explain_tiles(predictors, self.genes, maps, self.tiles)
        tables = write_tables(maps, results, tiles, out)
        figures = draw_sheets(maps, results, tiles, out)
        return Finding(
            question="where",
            about=self.about,
            folder=out,
            figures=figures,
            tables=tables,
            statistic=results.statistic,
            null=results.null,
            caveat=caveats_of(maps, results, tiles, predictors),
        )

    def _maps(self, queries: Mapping[int, SpotQueries]) -> SectionMaps:
        """Predict maps of every member, and of untrained networks if numbers compare with them."""
        members = members_of(self.request.predictors)
        drawn = self.genes.genes

        def ask(member: Member, genes: Sequence[str]) -> Maps:
            return maps_of(member, queries[id(member.predictor)], genes)

        genes = tuple(dict.fromkeys((*drawn, *self.other_genes.genes, *self._panel_genes(members))))
        start = perf_counter()
        trained = stacked([ask(member, genes) for member in members])
        seconds = (perf_counter() - start) / len(members)
        panel = self.request.predictors[0].target.genes
        references = self._references(trained[0].mean, genes)
        random: tuple[tuple[Maps, ...], ...] = ()
        if len(members) > 1 or len(trained) > 1 or any(references):
            untrained = untrained_members(members)
            n_networks = sum(map(len, untrained))
            tell_estimate(f"maps of {n_networks} untrained networks", seconds * n_networks)
            random = tuple(
                tuple(ask(network, drawn) for network in networks) for networks in untrained
            )
        return SectionMaps(
            section=self.section,
            genes=self.genes,
            places=tuple(panel.index(gene) for gene in drawn),
            unit=self.request.predictors[0].target.unit,
            names=tuple(member.name for member in members),
            every=trained,
            untrained=random,
            references=references,
        )

    def _panel_genes(self, members: Sequence[Member]) -> list[str]:
        """Genes of the panel to compare maps with, drawn at random; none for a single member."""
        if len(members) < 2:
            return []
        panel = self.request.predictors[0].target.genes
        order = stream(_SEED, "explain-where-genes").permutation(len(panel))
        return [panel[place] for place in order[:MOST_COMPARED_GENES]]

    def _references(
        self, predicted: Float[np.ndarray, "K N"], genes: Sequence[str]
    ) -> tuple[tuple[MapReference, ...], ...]:
        """For each gene: measured values, the other genes, and what the files say."""
        predictor = self.request.predictors[0]
        panel = predictor.target.genes
        every = np.full((predicted.shape[1], len(panel)), np.nan)
        every[:, [panel.index(gene) for gene in genes]] = predicted.T
        found = []
        for gene in self.genes.genes:
            measured = measured_reference(predictor, self.section, panel.index(gene))
            others = [
                gene_reference(predictor, every, panel.index(other))
                for other in self.other_genes.genes
                if other != gene
            ]
            known = () if measured is None else (measured,)
            found.append((*known, *others, *self.references))
        return tuple(found)


def _checked_genes(
    request: ExplainRequest, settings: WhereQuestionSettings
) -> tuple[GeneChoice, GeneChoice]:
    """Genes of the figures and other genes; every problem that needs no section is reported."""
    first = request.predictors[0]
    names = () if settings.section is None else (settings.section,)
    genes: list[GeneChoice] = []
    others: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, names, "section"),
        *member_problems(request.predictors),
        *problems_of(
            [
                lambda: genes.append(_genes(request, settings.genes)),
                lambda: others.append(choose_genes(first, settings.other_genes)),
            ][: 2 if settings.other_genes else 1]
        ),
    ]
    unable = [of for of in request.predictors if not has_gradient(of)]
    if settings.tiles and unable:
        problems.append(gradient_problem(unable[0]))
    if problems:
        raise DataContractError(problems)
    return genes[0], others[0] if others else GeneChoice((), (), "none was named")


def _genes(request: ExplainRequest, names: Sequence[str]) -> GeneChoice:
    """Raises DataContractError for unknown genes, and for more than there can be figures."""
    predictor = request.predictors[0]
    choice = choose_genes(predictor, names) if names else one_gene(predictor, None)
    check_number_of_genes(choice, MOST_GENES, "where", "with a figure each")
    return choice


def _section(request: ExplainRequest, name: str | None) -> Section:
    """The named section; else the first that no predictor was trained on, or the first."""
    if name is not None:
        return request.cohort[name]
    trained = {id_ for predictor in request.predictors for id_ in predictor.card.sections}
    new = [id_ for id_ in request.cohort.ids if id_ not in trained]
    return request.cohort[(new or request.cohort.ids)[0]]
