"""The answer about texture: scores of genes on tiles that are cut into shuffled pieces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Bool

from histoscribe.data.genesets import PathwaySettings, open_gene_sets, panel_pathways
from histoscribe.data.images import stored_tiles
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding
from histoscribe.explain.layers.piece_numbers import numbers
from histoscribe.explain.layers.piece_scores import (
    SURVIVES,
    PieceScores,
    piece_scores,
)
from histoscribe.explain.layers.piece_sheet import draw_curves, draw_examples
from histoscribe.explain.layers.piece_tables import gene_table, group_table, section_table
from histoscribe.explain.layers.pieces import cuts, piece_problems, piece_px
from histoscribe.explain.layers.question import LayersQuestionSettings
from histoscribe.explain.random_networks import N_RANDOM
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.surrogates import N_DRAWS
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.models.base import Estimator
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

FIGURES = ("texture.png", "cut-tiles.png")
TABLES = ("texture.csv", "genes.csv", "sections.csv")
Groups = Mapping[str, Bool[np.ndarray, " G"]]
"""Name of a gene set -> its members in the panel."""


def plan(request: ExplainRequest, settings: LayersQuestionSettings) -> AnswerPlan:
    """Find held-out sections with counts, and plan the predictions from cut tiles.

    Raises
    ------
    DataContractError
        For pieces that do not fit the tiles, an unknown section, one without counts or from
        training, an image that is too coarse, and gene sets that do not fit the panel.
    """
    predictor = request.predictor
    groups: dict[str, Bool[np.ndarray, " G"]] = {}
    problems = [
        *piece_problems(predictor.encoding.tile_px, settings.pieces),
        *unknown_sections(request.cohort, settings.sections, "section"),
        *problems_of((lambda: groups.update(_gene_sets(predictor, settings.gene_sets)),)),
    ]
    known = [name for name in settings.sections if name in request.cohort.ids]
    sections = tuple(request.cohort[name] for name in dict.fromkeys(known or request.cohort.ids))
    if known or not settings.sections:
        if not known:
            sections = tuple(of for of in sections if not any(_unfit(predictor, of)))
        problems += [problem for of in sections for problem in _unfit(predictor, of)]
        problems += problems_of(partial(predictor.encoding.tiles.check, of) for of in sections)
        if not sections:
            problems.append(_nothing_held_out(request))
    if problems:
        raise DataContractError(problems)
    pieces = tuple(sorted(set(settings.pieces)))
    answer = TextureAnswer(request, sections, pieces, groups)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class TextureAnswer:
    """Answers the question for some sections and numbers of pieces."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    pieces: tuple[int, ...]
    groups: Groups

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, pieces with their sizes, and what is compared."""
        predictor = self.request.predictor
        is_network = not isinstance(predictor.model, Estimator)
        return {
            "about": "texture",
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "pieces": " ".join(map(str, self.pieces)),
            "piece_um": " ".join(f"{self._piece_um(n_side):g}" for n_side in self.pieces),
            "gene_sets": " ".join(self.groups) or "none",
            "survives": f"{SURVIVES:.0%} of the score",
            "surrogates": str(N_DRAWS),
            "random_networks": str(N_RANDOM) if is_network else "none: the model is no network",
        }

    def work(self, out: Path) -> Finding:
        """Predict from cut tiles, and write figures and tables."""
        predictor, section = self.request.predictor, self.sections[0]
        tiles = stored_tiles(section, predictor.encoding.tiles, cache=self.request.cache)
        scores = piece_scores(predictor, self.sections, cuts(self.pieces), self.request.cache)
        ids = tuple(of.id for of in self.sections)
        labels = predictor.gene_labels
        sizes = {n_side: self._piece_um(n_side) for n_side in (1, *self.pieces)}
        write_text(out / TABLES[0], csv_text(group_table(scores, self.groups, sizes)))
        write_text(out / TABLES[1], csv_text(gene_table(scores, labels, self.groups)))
        write_text(out / TABLES[2], csv_text(section_table(scores, ids)))
        draw_curves(scores, self.groups, sizes, predictor.name, out / FIGURES[0])
        draw_examples(section, tiles, scores.cuts, sizes, out / FIGURES[1])
        statistic, null = numbers(scores)
        return Finding(
            question="layers",
            about=self.about,
            folder=out,
            figures=FIGURES,
            tables=TABLES,
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(scores)),
        )

    def _piece_um(self, n_side: int) -> float:
        """Side of a piece, um."""
        encoding = self.request.predictor.encoding
        return piece_px(encoding.tile_px, n_side) * encoding.mpp

    def _caveats(self, scores: PieceScores) -> Iterator[str]:
        finest = self.pieces[-1]
        predictor = self.request.predictor
        counted = {name: scores.reading.count(name) for name in sorted(set(scores.reading))}
        yield (
            f"Genes by what they are read from, in {finest} pieces a side of "
            f"{self._piece_um(finest):g} µm: "
            + ", ".join(f"{name} {n_genes}" for name, n_genes in counted.items())
            + f". Texture: at least {SURVIVES:.0%} of the score survives. Arrangement: it does "
            "not, but it does in pieces that are turned in their places. Undecided: in neither."
        )
        yield (
            "Cutting makes edges that no tissue has, and the model was not trained on them. "
            "Pieces that are turned in their places have as many, so what is lost there, too, may "
            "be lost to the edges. Turning moves parts of cells as well, by less than a piece."
        )
        yield (
            "A score that survives is read from what fits into a piece: colour, grain and, in "
            "large pieces, cells with their neighbours."
        )
        yield (
            "A score above its chance level says that prediction and measured map agree on these "
            "sections. Random networks follow tissue, too, and agree with some genes by luck: "
            "compare the scores with theirs."
        )
        left = [n_side for n_side in self.pieces if predictor.encoding.tile_px % n_side]
        if left:
            yield (
                f"{', '.join(map(str, left))} pieces do not divide a tile of "
                f"{predictor.encoding.tile_px} px: a narrow frame stays as it is."
            )
        n_patients = len(set(scores.patients))
        yield f"Means over {n_patients} patients; sections.csv has the values of each section."
        if not len(scores.random):
            yield f"{predictor.model.name} is no network, so none with random weights is compared."


def _gene_sets(predictor: Predictor, source: str | None) -> Groups:
    read = open_gene_sets(PathwaySettings(sets=source))
    if read is None:
        return {}
    of_panel = panel_pathways(read, predictor.target.genes, predictor.gene_names).pathways
    return {
        name: np.asarray(row, dtype=bool)
        for name, row in zip(of_panel.names, of_panel.members, strict=True)
    }


def _unfit(predictor: Predictor, section: Section) -> Iterator[Problem]:
    """Say why a section gives no held-out scores."""
    trained = trained_on(predictor, section)
    if section.counts is None:
        yield Problem(
            where=f"section {section.id}",
            found="no counts",
            expected="a section with counts: scores compare predicted with measured values",
            remedy="leave it out",
        )
    if trained is not None:
        yield Problem(
            where=f"section {section.id}",
            found=trained,
            expected="a section of a patient that the predictor was not trained on",
            remedy="leave it out, or give a predictor that was trained without this patient",
        )


def _nothing_held_out(request: ExplainRequest) -> Problem:
    ids: Sequence[str] = request.cohort.ids
    return Problem(
        where="explain layers, about texture",
        found=f"{len(ids)} sections, all of them in training or without counts",
        expected="a section with counts of a patient that the predictor was not trained on",
        remedy="give other sections, or a predictor that was trained on fewer patients",
    )
