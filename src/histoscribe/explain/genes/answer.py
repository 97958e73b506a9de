"""The answer to `genes`: genes and gene sets that a model predicts well on held-out patients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import spearmanr

from histoscribe.data.genesets import (
    MIN_MEMBERS,
    PanelPathways,
    PathwaySettings,
    open_gene_sets,
    panel_pathways,
)
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.expression_bins import GENES_IN_BIN, mean_expression
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.genes.enrichment import ENRICHED_Q, N_DRAWS, Enrichment, enrichment
from histoscribe.explain.genes.mask import MASK, RULE, mask_text, why_no_mask
from histoscribe.explain.genes.question import GenesQuestionSettings
from histoscribe.explain.genes.tables import (
    SCORE,
    GeneTableColumns,
    biomarker_columns,
    biomarker_table,
    gene_table,
    set_table,
)
from histoscribe.explain.request import AnswerPlan, ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.metrics.chance import CHANCE_Q, least_q
from histoscribe.plot.set_scores import ScoredGenes, SetScore, draw_set_scores
from histoscribe.predictor.facts import counts_hash
from histoscribe.predictor.gene_scores import ScoreOrigin
from histoscribe.predictor.predictor import Predictor
from histoscribe.ties import best_first
from histoscribe.types import Section

FIGURE, TABLE = "gene-sets.png", "gene-sets.csv"
GENE_TABLE, BIOMARKER_TABLE = "gene-scores.csv", "biomarkers.csv"
_SEED = 0  # of the random sets; nobody needs another one
_NAMED_SETS = 3  # sets whose numbers stand in the finding
_FEW_PATIENTS = 5  # fewer patients have no useful interval
_DRAWN = ["set", "n_scored", "mean_score", "matched_low", "matched_high", "q"]
_RANKS = "rank correlation of the score of a gene with its mean expression"


def plan_genes(request: ExplainRequest, settings: GenesQuestionSettings) -> AnswerPlan:
    """Check that there are scores and counts, and that the gene sets fit the scored genes.

    Raises
    ------
    DataContractError
        for a predictor without scores, a cohort without the sections of its benchmark, and gene
        sets that cannot be read or have too few scored genes.
    """
    predictor, cohort = request.predictor, request.cohort
    scores = predictor.gene_scores
    if scores.origin is None or not np.isfinite(scores.columns[SCORE]).any():
        raise DataContractError(_no_scores(predictor))
    if lacking := [name for name in scores.origin.sections if name not in cohort.ids]:
        raise DataContractError(_no_sections(lacking, cohort.ids))
    sections = tuple(cohort[name] for name in scores.origin.sections)
    expression = mean_expression(sections, predictor.target.genes)
    genes = GeneTableColumns(predictor.target.genes, predictor.gene_labels, scores, expression)
    named = {"sets": settings.gene_sets, "orthologues": settings.orthologues}
    read = open_gene_sets(PathwaySettings.model_validate(_as_text(named)))
    if read is None:
        raise ValueError("settings without gene sets")
    scored = np.flatnonzero(np.isfinite(scores.columns[SCORE]) & np.isfinite(expression))
    ids, symbols = (
        [names[at] for at in scored] for names in (predictor.target.genes, predictor.gene_names)
    )
    sets = panel_pathways(read, ids, symbols)
    answer = GenesAnswer(
        predictor, scores.origin, sections, genes, scored, sets, settings.biomarkers
    )
    return AnswerPlan(about=answer.about, sections=(), work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class GenesAnswer:
    """Answers the question for the scored genes of a predictor."""

    predictor: Predictor
    origin: ScoreOrigin
    sections: tuple[Section, ...]
    """Sections of the benchmark, whose counts give the mean expression."""
    genes: GeneTableColumns
    scored: Int[np.ndarray, " n"]
    """Columns of the genes with a score and a mean expression."""
    sets: PanelPathways
    """Gene sets over the scored genes."""
    biomarkers: tuple[str, ...]

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, benchmark, gene sets, and how random sets are drawn."""
        predictor, sets = self.predictor, self.sets.card
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "scores": f"{SCORE}, protocol {self.origin.protocol}, patients "
            f"{' '.join(self.origin.patients)}, sha256:{self._scores_hash()}",
            "counts": " ".join(f"{s.id} sha256:{counts_hash(s)}" for s in self.sections),
            "sets": f"{sets.source} sha256:{sets.sha256}",
            "biomarkers": " ".join(self.biomarkers),
            "random sets": f"{N_DRAWS} from the scored genes of the panel, of the same size and "
            f"level of expression (bins of {GENES_IN_BIN} genes), seed {_SEED}",
        }

    def work(self, out: Path) -> Finding:
        """Compare the sets with random ones, and write tables, figure and list of genes."""
        genes, scored = self.genes, self.scored
        score, expression = genes.scores.columns[SCORE][scored], genes.expression[scored]
        labels = [genes.labels[at] for at in scored]
        tested = enrichment(score, expression, self.sets.pathways.members, _SEED)
        table = set_table(self.sets, tested, score, labels)
        rows, columns = gene_table(genes), biomarker_columns(genes, self.biomarkers)
        write_text(out / TABLE, csv_text(table))
        write_text(out / GENE_TABLE, csv_text(rows))
        write_text(out / BIOMARKER_TABLE, csv_text(biomarker_table(rows, columns)))
        files = [GENE_TABLE, BIOMARKER_TABLE]
        if why_no_mask(self.predictor, self.origin) is None:
            write_text(out / MASK, mask_text(self.predictor, self.origin, genes))
            files.append(MASK)
        self._draw(table, columns, out / FIGURE)
        statistic, null = self._numbers(tested, score, expression)
        return Finding(
            question="genes",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(columns)),
            files=tuple(files),
        )

    def _numbers(
        self,
        tested: Enrichment,
        score: Float[np.ndarray, " n"],
        expression: Float[np.ndarray, " n"],
    ) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        genes = self.genes.scores.count()
        above = f"of {genes.n_genes} scored genes, those with {RULE}"
        chance = f"of these, those with q < {CHANCE_Q:g}: above chance after correction over genes"
        count = f"of {len(self.sets.pathways)} gene sets, those with q < {ENRICHED_Q:g}"
        names = self.sets.pathways.names
        matched = "random sets of the same size and expression"
        statistic = [
            Number("sets_enriched", float(tested.n_enriched()), count),
            Number("genes_above_band", float(genes.n_above_band), above),
            Number("genes_above_chance", float(genes.n_above_chance), chance),
            Number("score_with_expression", _rank_correlation(score, expression), _RANKS),
        ]
        null = [
            Number.of_draws(
                "sets_enriched", tested.n_enriched_by_chance(), f"{count}, genes exchanged"
            ),
            Number("genes_above_band", genes.n_by_chance, f"{above}, at most to expect by chance"),
        ]
        for at in best_first(tested.mean - tested.drawn.mean(axis=0))[:_NAMED_SETS]:
            name, meaning = f"mean_{names[at]}", f"mean {SCORE} of the genes of the set"
            statistic.append(Number(name, float(tested.mean[at]), meaning))
            null.append(Number.of_draws(name, tested.drawn[:, at], f"{meaning}, {matched}"))
        return tuple(statistic), tuple(null)

    def _draw(self, table: pd.DataFrame, columns: Mapping[str, int | None], path: Path) -> None:
        tested = table[table["p"].notna()]
        sets = [
            SetScore(f"{name} ({size})", float(mean), float(low), float(high), q < ENRICHED_Q)
            for name, size, mean, low, high, q in tested[_DRAWN].itertuples(index=False)
        ]
        place = {int(column): at for at, column in enumerate(self.scored)}
        names = {name: place[at] for name, at in columns.items() if at in place}
        genes = self.genes
        points = ScoredGenes(
            genes.expression[self.scored],
            genes.scores.columns[SCORE][self.scored],
            genes.scores.above_band()[self.scored],
            names,
        )
        title = (
            f"{self.predictor.name}: {len(self.scored)} genes scored on held-out patients "
            f"{', '.join(self.origin.patients)}\n{self.sets.card.source}, number of scored genes "
            "in brackets; the panel is the background, matched for mean expression"
        )
        draw_set_scores(sets, points, SCORE, title, path)

    def _caveats(self, columns: Mapping[str, int | None]) -> Iterator[str]:
        n_genes, dropped = len(self.genes.ids), self.sets.card.dropped
        yield (
            "A set of well-predicted genes is visible in the images, or varies or was counted "
            "enough to be scored. It does not say that the set is active."
        )
        yield (
            f"Random sets are of the {len(self.scored)} scored genes of this panel: nothing is "
            "known of other genes."
        )
        yield (
            "Random sets are drawn as if genes were independent. Genes that vary together have "
            "similar scores, so q is too small for a set of such genes."
        )
        yield (
            "The band of a gene is of shuffled spots, whose neighbours are no longer alike: it is "
            "narrower than that of a wrong map of smooth tissue. Above it is better than nothing, "
            f"not good. No gene that is found alone has a q below {least_q():.2g}."
        )
        n_patients = len(self.origin.patients)
        if n_patients < _FEW_PATIENTS:
            yield (
                f"The scores are of {n_patients} patients, and q is about genes, not patients: it "
                "says nothing about a new patient."
            )
        if missing := n_genes - len(self.scored):
            yield f"{missing} of {n_genes} genes of the panel have no score and are left out."
        if dropped:
            yield (
                f"{len(dropped)} gene sets have fewer than {MIN_MEMBERS} scored genes and are left "
                f"out; {TABLE} lists them."
            )
        if outside := [name for name, column in columns.items() if column is None]:
            yield f"Not in the panel: {', '.join(outside)}."
        yield why_no_mask(self.predictor, self.origin) or (
            f"The genes in {MASK} were chosen by scores on {', '.join(self.origin.patients)}: "
            "scores of these genes on the same patients are too high."
        )

    def _scores_hash(self) -> str:
        columns = self.genes.scores.columns
        return sha256(np.array([columns[name] for name in sorted(columns)]).tobytes()).hexdigest()


def _rank_correlation(score: Float[np.ndarray, " n"], expression: Float[np.ndarray, " n"]) -> float:
    """Spearman correlation; NaN for equal scores, e.g. of a constant prediction."""
    if np.ptp(score) == 0 or np.ptp(expression) == 0:
        return float("nan")
    return float(spearmanr(score, expression).statistic)


def _as_text(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items() if value is not None}


def _no_scores(predictor: Predictor) -> Problem:
    why = predictor.gene_scores.why_unknown or f"no gene has a {SCORE}"
    bags = predictor.fitted.item == "bag"
    return Problem(
        where=f"predictor {predictor.name}",
        found=f"no scores of genes: {why}",
        expected="scores of each gene on held-out patients, as a benchmark gives them",
        remedy="give a model of spots or sections: benchmarks of bags score no tissue"
        if bags
        else "run `histoscribe benchmark FILE.toml --out RUN`; then train with `--benchmark RUN`, "
        "or give a predictor in RUN/predictors",
    )


def _no_sections(lacking: Sequence[str], ids: Sequence[str]) -> Problem:
    return Problem(
        where="the cohort",
        found=f"no section {', '.join(lacking)}, only {', '.join(ids)}",
        expected="every section of the benchmark: their counts give the mean expression",
        remedy="give the cohort that was benchmarked",
    )
