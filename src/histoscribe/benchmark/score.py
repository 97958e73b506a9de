"""Scores of every model in every test section; each spot is scored once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float, Int

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.plan import RunPlan
from histoscribe.data.target import Target
from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.registry import METRICS, FoldMetric, GeneMetric, Metric, SectionMetric
from histoscribe.metrics.spatial import neighbour_graph
from histoscribe.models.closed_form.depth import line_per_gene
from histoscribe.train.tables import log_total
from histoscribe.types import Fold, Section

ORACLE = "oracle-depth"
EVERY = "*"
"""Placeholder for a gene or section: the score covers all of them."""
COLUMNS = ("model", "fold", "section", "patient", "gene", "metric", "value")


@dataclass(frozen=True, eq=False)
class Truth:
    """Measured values of one test section, with depth and graph for the metrics."""

    section: str
    patient: str
    genes: tuple[str, ...]
    measured: Float[np.ndarray, "N G"]
    log_total: Float[np.ndarray, " N"]
    counts: Float[np.ndarray, "N G"]
    graph: sp.csr_matrix

    def with_prediction(self, predicted: Float[np.ndarray, "N G"]) -> Evaluated:
        """Truth and prediction of the same spots and genes."""
        return Evaluated(predicted, self.measured, self.log_total, self.counts, self.graph)


@dataclass(frozen=True, eq=False)
class Scored:
    """Prediction and truth of one model in one test section."""

    model: str
    truth: Truth
    evaluated: Evaluated
    has_unit: bool = True
    """Whether the prediction is in the unit of the target; else only what is free of scale counts.
    """

    def allows(self, metric: Metric) -> bool:
        """Whether a metric has a meaning for this prediction."""
        return self.has_unit or not metric.needs_unit


def truth_of(plan: RunPlan, fold: Fold, target: Target, section: str) -> Truth:
    """Measured values of a fold's test spots in a section, on the fold's target scale."""
    return truth_at(plan.run_data.cohort[section], fold.test[section], target)


def truth_at(section: Section, rows: Int[np.ndarray, " N"], target: Target) -> Truth:
    """Measured values of spots of a section, on the scale of a target."""
    panel = target.panel_counts(section, rows)
    return Truth(
        section=section.id,
        patient=str(section.patient),
        genes=target.genes,
        measured=target.values(panel),
        log_total=np.log1p(section.measured.total[rows]),
        counts=panel.counts.astype(np.float32),
        graph=neighbour_graph(section, rows),
    )


def score_fold(plan: RunPlan, fold: Fold, target: Target) -> Iterator[Scored]:
    """Score every model of the run, then the depth oracle, in every test section of a fold."""
    truths = [truth_of(plan, fold, target, section) for section in sorted(fold.test)]
    for model in plan.models:
        for truth in truths:
            prediction = cell_prediction(plan, fold, model, truth.section)
            evaluated = truth.with_prediction(prediction.values)
            yield Scored(model, truth, evaluated, plan.has_unit(model))
    slope, intercept = oracle_lines(plan, fold, target)
    for truth in truths:
        predicted = truth.log_total[:, None] * slope + intercept
        yield Scored(ORACLE, truth, truth.with_prediction(predicted.astype(np.float32)))


def oracle_lines(
    plan: RunPlan, fold: Fold, target: Target
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """Line of each gene on the measured log total, fitted on the training spots."""
    cohort = plan.run_data.cohort
    parts = sorted(fold.train.items())
    depth = np.concatenate([log_total(cohort, section, rows) for section, rows in parts])
    return line_per_gene(
        depth, np.concatenate([target.apply(cohort[section], rows) for section, rows in parts])
    )


def score_rows(fold: Fold, scored: Sequence[Scored]) -> pd.DataFrame:
    """Rows of scores.csv for one fold: per gene and section, per section, per gene over all."""
    parts = []
    for item in scored:
        about = (item.model, fold.name, item.truth.section, item.truth.patient)
        for metric in METRICS.values():
            if isinstance(metric, GeneMetric | SectionMetric) and item.allows(metric):
                parts.append(_Part(about, metric.id, item.truth.genes, metric.of(item.evaluated)))
    for model in dict.fromkeys(item.model for item in scored):
        of_model = [item for item in scored if item.model == model]
        patients = "+".join(sorted({item.truth.patient for item in of_model}))
        about, genes = (model, fold.name, EVERY, patients), of_model[0].truth.genes
        for metric in METRICS.values():
            if isinstance(metric, FoldMetric) and of_model[0].allows(metric):
                pooled = metric.of([item.evaluated for item in of_model])
                parts.append(_Part(about, metric.id, genes, pooled))
    return _table(parts)


@dataclass(frozen=True, eq=False)
class _Part:
    """Value of one metric, model and section, or of all sections."""

    about: tuple[str, str, str, str]
    """Model, fold, section, patient."""
    metric: str
    genes: tuple[str, ...]
    value: Float[np.ndarray, " G"] | float
    """Values of the genes, or one value of the section."""


def _table(parts: Sequence[_Part]) -> pd.DataFrame:
    # one data frame: separate frames for each part took longer than all metrics
    values = [np.atleast_1d(part.value) for part in parts]
    rows = [
        (*part.about, gene, part.metric)
        for part in parts
        for gene in (part.genes if isinstance(part.value, np.ndarray) else (EVERY,))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return table.assign(value=np.concatenate(values).astype(np.float64))
