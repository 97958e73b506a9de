"""The answer to `subtypes`: what expression, measured or predicted, says of the subtype."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.subtypes import figures, tables
from histoscribe.explain.subtypes.bulk_patients import BulkPatients
from histoscribe.explain.subtypes.claims import Claims
from histoscribe.explain.subtypes.class_answer import (
    ClaimResult,
    ClassAnswer,
    Protocol,
    answer_class,
    claim_result,
)
from histoscribe.explain.subtypes.classifiers import PINNED, HeldShape, fit_additive
from histoscribe.explain.subtypes.gene_visibility import GeneVisibility, gene_visibility
from histoscribe.explain.subtypes.held_out import aurocs_alone
from histoscribe.explain.subtypes.one_class import Expression, LabelledPatients
from histoscribe.explain.subtypes.panel import SubtypePanel
from histoscribe.explain.subtypes.results import SubtypeResults
from histoscribe.explain.subtypes.survival import survival_by_class
from histoscribe.explain.subtypes.templates import TableTemplates, template_calls
from histoscribe.explain.subtypes.visible_panel import correlations
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.progress import track

SCORES, SHAPES, IMPORTANCES = "subtypes.png", "shapes.png", "importances.png"
SURVIVAL, VISIBILITY = "survival.png", "visibility.png"


@final
@dataclass(frozen=True, eq=False)
class SubtypesAnswer:
    """Answers the question for the labels of one set of patients."""

    bulk: BulkPatients
    predicted: Float[np.ndarray, "N A"] | None
    panel: SubtypePanel
    labelled: tuple[LabelledPatients, ...]
    """Of each label, the subtypes first."""
    claims: Claims
    survival: Float[np.ndarray, "N 2"] | None
    templates: TableTemplates | None
    hold: Mapping[str, HeldShape]
    """By CLASS:GENE."""
    protocol: Protocol
    image_source: str

    @property
    def about(self) -> Mapping[str, str]:
        """Expression, labels, panel, claims, and how classes are fitted."""
        of, folds = self.protocol, self.labelled[0].folds
        n_folds = sum(fold.repeat == 0 for fold in folds)
        held = ", ".join(f"{key}={shape}" for key, shape in sorted(self.hold.items()))
        return {
            **self.bulk.source,
            "label": ", ".join(of.label for of in self.labelled),
            "panel": self.panel.words,
            "claims": f"sha256:{self.claims.sha256}" if self.claims.items else "none",
            "held shapes": held or "none",
            "image-predicted expression": self.image_source or "none",
            "boosting machine": ", ".join(f"{name} {value}" for name, value in PINNED.items()),
            "folds": f"{n_folds} folds of patients, stratified by class, "
            f"{folds[-1].repeat + 1} times, seed {of.seed}",
            "draws": f"{of.permutations} permutations of labels, {of.bootstraps} bootstraps",
        }

    def work(self, out: Path) -> Finding:
        """Answer each class, and write figures and tables."""
        results = self._results()
        written = dict(self._tables(results))
        for name, table in written.items():
            write_text(out / name, csv_text(table))
        statistic, null = results.numbers()
        return Finding(
            question="subtypes",
            about=self.about,
            folder=out,
            figures=self._draw(results, out),
            tables=tuple(written),
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(results)),
        )

    def _results(self) -> SubtypeResults:
        every = [(of, name) for of in self.labelled for name in of.classes]
        tell_estimate(f"{len(every)} classes", self._seconds(every))
        answers = tuple(self._class(of, name) for of, name in track(every, "classes"))
        subtypes = self.bulk.labels.of(self.labelled[0].label, self.bulk.names)
        return SubtypeResults(
            answers=answers,
            claims=tuple(self._claim_results(answers)),
            visibility=self._visibility(answers),
            survival=None if self.survival is None else survival_by_class(self.survival, subtypes),
        )

    def _seconds(self, every: Sequence[tuple[LabelledPatients, str]]) -> float:
        """Estimate by one boosting machine on the patients of the first class."""
        patients, name = every[0]
        of = self._expression(patients)
        x = of.panel.read(of.measured, np.arange(len(patients.rows)))
        start = perf_counter()
        fit_additive(x, patients.is_of(name))
        a_fit = perf_counter() - start
        n_panels = 1 if self.predicted is None else 2
        return a_fit * sum(self.protocol.n_fits(len(of.folds), n_panels) for of, _ in every)

    def _class(self, patients: LabelledPatients, name: str) -> ClassAnswer:
        genes = self.panel.names
        keys = {key.partition(":")[::2]: shape for key, shape in self.hold.items()}
        hold = {genes.index(gene): shape for (of, gene), shape in keys.items() if of == name}
        rest = (self.protocol, hold, self.templates)
        return answer_class(self._expression(patients), patients, name, rest)

    def _expression(self, patients: LabelledPatients) -> Expression:
        predicted = None if self.predicted is None else self.predicted[patients.rows]
        return Expression(self.bulk.measured[patients.rows], predicted, self.panel)

    def _claim_results(self, answers: Sequence[ClassAnswer]) -> Iterator[ClaimResult]:
        labels = {name: of for of in self.labelled for name in of.classes}
        for claim in self.claims.items:
            patients = labels[claim.subtype]
            answer = next(of for of in answers if of.name == claim.subtype)
            gene = self.panel.names.index(claim.gene)
            of = self._expression(patients)
            x = of.panel.read(of.measured, np.arange(len(patients.rows)))
            yield claim_result(claim, answer, gene, x[:, gene], patients.is_of(claim.subtype))

    def _visibility(self, answers: Sequence[ClassAnswer]) -> GeneVisibility | None:
        if self.predicted is None:
            return None
        every = np.arange(len(self.bulk.names))
        measured = self.panel.read(self.bulk.measured, every)
        predicted = self.panel.read(self.predicted, every)
        return gene_visibility(measured, predicted, self.panel.names, answers)

    def _tables(self, results: SubtypeResults) -> Iterator[tuple[str, pd.DataFrame]]:
        genes = self.panel.names
        yield "subtypes.csv", tables.score_table(results)
        yield "importances.csv", tables.importance_table(results, genes)
        yield "shapes.csv", tables.shape_table(results, genes)
        yield "panel.csv", tables.panel_table(self.panel)
        if results.claims:
            yield "claims.csv", tables.claim_table(results)
        if results.visibility is not None:
            yield "visibility.csv", tables.visibility_table(results.visibility)
        if self.predicted is not None:
            yield "visible_genes.csv", self._visible_genes(results)
        if self.templates is not None:
            called = template_calls(self.templates, self.bulk.measured, self.protocol.seed)
            subtypes = self.bulk.labels.of(self.labelled[0].label, self.bulk.names)
            yield "templates.csv", tables.call_table(self.bulk.names, subtypes, called)
        if results.survival is not None:
            yield "survival.csv", tables.survival_table(results.survival)

    def _visible_genes(self, results: SubtypeResults) -> pd.DataFrame:
        if self.predicted is None:
            raise ValueError("no image-predicted expression")
        usable = np.flatnonzero(np.isfinite(self.predicted).all(axis=0))
        labels = {name: of for of in self.labelled for name in of.classes}
        alone = {
            name: aurocs_alone(self.bulk.measured[np.ix_(of.rows, usable)], of.is_of(name))
            for name, of in labels.items()
        }
        named = tuple(self.bulk.genes.symbols[at] for at in usable)
        correlation = correlations(self.bulk.measured[:, usable], self.predicted[:, usable])
        return tables.visible_gene_table(named, correlation, alone, (results, usable))

    def _draw(self, results: SubtypeResults, out: Path) -> tuple[str, ...]:
        genes = self.panel.names
        figures.draw_scores(results, self.panel.words, out / SCORES)
        figures.draw_shapes(results, genes, out / SHAPES)
        figures.draw_class_importances(results, genes, out / IMPORTANCES)
        drawn = [SCORES, SHAPES, IMPORTANCES]
        if results.visibility is not None:
            figures.draw_visibility(results.visibility, out / VISIBILITY)
            drawn.append(VISIBILITY)
        if results.survival is not None:
            figures.draw_curves(results.survival, out / SURVIVAL)
            drawn.append(SURVIVAL)
        return tuple(drawn)

    def _caveats(self, results: SubtypeResults) -> Iterator[str]:
        yield f"Panel: {self.panel.words}."
        n_patients = len(self.bulk.names)
        for of in self.labelled:
            if missing := n_patients - len(of.rows):
                yield f"{missing} of {n_patients} patients have no {of.label}, and no part in it."
        yield from results.caveats()
        for note in self.bulk.notes:
            yield f"{note[0].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"
