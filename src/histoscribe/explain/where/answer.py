"""The answer to `where`: maps of each gene, how far members agree, and the pixels of some tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.spot_choice import DrawnSpot, named_spots
from histoscribe.explain.where.gradients import gradient_problem, has_gradient
from histoscribe.explain.where.maps import Maps, maps_of, queries_of, stacked
from histoscribe.explain.where.members import Member, member_problems, members_of, untrained_members
from histoscribe.explain.where.question import WhereQuestionSettings
from histoscribe.explain.where.results import SectionMaps, WhereResults, results_of
from histoscribe.explain.where.sheets import draw_sheets, write_tables
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
    predictors = request.predictors
    names = () if settings.section is None else (settings.section,)
    genes: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, names, "section"),
        *member_problems(predictors),
        *problems_of([lambda: genes.append(_genes(request, settings.genes))]),
    ]
    able = all(has_gradient(predictor) for predictor in predictors)
    if settings.tiles and not able:
        problems.append(gradient_problem(predictors[0]))
    if problems:
        raise DataContractError(problems)
    if settings.attribution and able:
        need("captum.attr", "explain", "explain where, attribution")
    section = _section(request, settings.section)
    tiles: list[DrawnSpot] = []
    problems = problems_of(
        [
            *(lambda p=predictor: p.encoding.tiles.check(section) for predictor in predictors),
            lambda: tiles.extend(named_spots(section, settings.tiles)),
        ]
    )
    if problems:
        raise DataContractError(problems)
    answer = WhereAnswer(request, section, genes[0], tuple(tiles), settings.attribution and able)
    return AnswerPlan(about=answer.about, sections=(section,), work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class WhereAnswer:
    """Answers the question for some genes of one section."""

    request: ExplainRequest
    section: Section
    genes: GeneChoice
    tiles: tuple[DrawnSpot, ...]
    """The tiles to explain; empty where a rule will choose them."""
    attribution: bool
    """Whether tiles are explained pixel by pixel."""

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
        }

    def work(self, out: Path) -> Finding:
        """Map the genes, compare the maps with chance, and explain some tiles."""
        predictors = self.request.predictors
        maps = self._maps()
        results = results_of(maps)
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
            caveat=(*self._caveats(maps, results), *(() if tiles is None else tiles.caveats)),
        )

    def _maps(self) -> SectionMaps:
        """Predict maps of every member, and of untrained networks if numbers compare with them."""
        members = members_of(self.request.predictors)
        queries = {
            id(predictor): queries_of(predictor, self.section, self.request.cache)
            for predictor in self.request.predictors
        }

        def ask(member: Member, genes: Sequence[str]) -> Maps:
            return maps_of(member, queries[id(member.predictor)], genes)

        genes = (*self.genes.genes, *self._other_genes(len(members)))
        start = perf_counter()
        trained = stacked([ask(member, genes) for member in members])
        seconds = (perf_counter() - start) / len(members)
        random: tuple[tuple[Maps, ...], ...] = ()
        if len(members) > 1 or len(trained) > 1:
            untrained = untrained_members(members)
            n_networks = sum(map(len, untrained))
            tell_estimate(f"maps of {n_networks} untrained networks", seconds * n_networks)
            random = tuple(
                tuple(ask(network, self.genes.genes) for network in networks)
                for networks in untrained
            )
        return SectionMaps(
            section=self.section,
            genes=self.genes,
            unit=self.request.predictors[0].target.unit,
            names=tuple(member.name for member in members),
            every=trained,
            untrained=random,
            measured=self._measured(),
        )

    def _other_genes(self, n_members: int) -> list[str]:
        """Other genes of the panel to compare maps with; none for a single member."""
        if n_members < 2:
            return []
        panel = self.request.predictors[0].target.genes
        order = stream(_SEED, "explain-where-genes").permutation(len(panel))
        others = [panel[place] for place in order if panel[place] not in self.genes.genes]
        return others[: MOST_COMPARED_GENES - len(self.genes.genes)]

    def _measured(self) -> Float[np.ndarray, "K N"] | None:
        target = self.request.predictors[0].target
        if self.section.counts is None or target.samples:
            return None
        places = [target.genes.index(gene) for gene in self.genes.genes]
        return target.apply(self.section)[:, places].T.astype(np.float64)

    def _caveats(self, maps: SectionMaps, results: WhereResults) -> list[str]:
        caveats = [
            *results.failures,
            "A map says where a model looks. It does not say that cells in that place express the "
            "gene, nor that the prediction is right.",
        ]
        if len(maps.names) == 1:
            caveats.append(
                "There is one member, so how far members agree is unknown: train a bag model with "
                "train.members = 5, or give several predictors of the same training patients."
            )
        else:
            caveats.append(
                "Members were trained on many of the same patients: they also agree on what is "
                "wrong in these labels."
            )
        if results.attention is None:
            model = self.request.predictors[0].model.name
            caveats.append(f"{model} has no attention: its map is the prediction of each spot.")
        elif results.attention.is_shared:
            caveats.append("The model has one attention for all genes: it is no map of a gene.")
        if not self.attribution:
            caveats.append("No tile was explained pixel by pixel.")
        for predictor in self.request.predictors:
            words = trained_on(predictor, self.section)
            if words is not None:
                caveats.append(f"{words[0].upper()}{words[1:]}.")
                break
        return caveats


def _genes(request: ExplainRequest, names: Sequence[str]) -> GeneChoice:
    """Raises DataContractError for unknown genes, and for more than there can be figures."""
    predictor = request.predictors[0]
    choice = choose_genes(predictor, names) if names else one_gene(predictor, None)
    if len(choice.genes) > MOST_GENES:
        raise DataContractError(
            Problem(
                where="explain where, genes",
                found=f"{len(choice.genes)} genes",
                expected=f"at most {MOST_GENES}, with a figure each",
                remedy="ask for the others in a second folder",
            )
        )
    return choice


def _section(request: ExplainRequest, name: str | None) -> Section:
    """The named section; else the first that no predictor was trained on, or the first."""
    if name is not None:
        return request.cohort[name]
    trained = {id_ for predictor in request.predictors for id_ in predictor.card.sections}
    new = [id_ for id_ in request.cohort.ids if id_ not in trained]
    return request.cohort[(new or request.cohort.ids)[0]]
