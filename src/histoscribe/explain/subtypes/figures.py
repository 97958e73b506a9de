"""Figures of the question `subtypes`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from histoscribe.explain.subtypes.class_answer import METHODS, ClassAnswer
from histoscribe.explain.subtypes.gene_visibility import GeneVisibility
from histoscribe.explain.subtypes.held_out import chance_range
from histoscribe.explain.subtypes.results import SubtypeResults
from histoscribe.explain.subtypes.survival import Survival
from histoscribe.plot.class_scores import ScoreDot, ScoreGroup, draw_class_scores
from histoscribe.plot.gene_visibility import VisibilityPanel, draw_gene_visibility
from histoscribe.plot.importances import ClassImportances, draw_importances
from histoscribe.plot.shape_functions import ShapeCurve, ShapeRow, draw_shape_functions
from histoscribe.plot.survival_curves import DrawnCurve, draw_survival
from histoscribe.ties import best_first

_MOST_SHAPES = 6
_MOST_IMPORTANCES = 20


def draw_scores(results: SubtypeResults, words: str, path: Path) -> None:
    """AUROC of each class and classifier over chance."""
    groups = [
        ScoreGroup(
            f"{answer.name}\n{answer.n_positive} of {answer.n_positive + answer.n_rest}",
            tuple(_dots(answer)),
        )
        for answer in results.answers
    ]
    draw_class_scores(groups, f"One class against the rest: {words}", path)


def draw_shapes(results: SubtypeResults, genes: tuple[str, ...], path: Path) -> None:
    """Functions of the most important genes of each class, and of those that claims name."""
    rows = []
    for answer in results.answers:
        claimed = [of.claim.gene for of in results.claims if of.claim.subtype == answer.name]
        named = [*(genes.index(gene) for gene in claimed), *answer.hold]
        order = [int(at) for at in best_first(answer.shapes.median_importance)]
        columns = list(dict.fromkeys([*named, *order]))[: max(_MOST_SHAPES, len(named))]
        curves = tuple(_curve(answer, genes, at) for at in columns)
        rows.append(ShapeRow(answer.name, curves))
    n_draws = len(results.answers[0].shapes.drawn)
    title = f"Shape functions: median and middle 95 % of {n_draws} bootstraps of patients"
    if any(answer.hold for answer in results.answers):
        title += "; dashed: shapes held"
    draw_shape_functions(rows, "log expression, or score of the set", title, path)


def draw_class_importances(results: SubtypeResults, genes: tuple[str, ...], path: Path) -> None:
    """Importances of each class with their spread over bootstraps."""
    classes = []
    for answer in results.answers:
        shapes = answer.shapes
        order = best_first(shapes.median_importance)[:_MOST_IMPORTANCES]
        low, high = shapes.range_of_importance()
        classes.append(
            ClassImportances(
                answer.name,
                tuple(genes[at] for at in order),
                shapes.median_importance[order],
                low[order],
                high[order],
                shapes.chance_level,
            )
        )
    title = (
        "Importance: median and middle 95 % of bootstraps; grey: 95 % of all genes, labels permuted"
    )
    draw_importances(classes, title, path)


def draw_curves(survival: Survival, path: Path) -> None:
    """Kaplan-Meier curves of the subtypes."""
    curves = [
        DrawnCurve(of.subtype, of.days, of.alive, of.censored, of.at_risk) for of in survival.curves
    ]
    tested = "not tested" if np.isnan(survival.p) else f"log-rank p = {survival.p:.3g}"
    n_patients = sum(of.n_patients for of in survival.curves)
    title = f"Survival by subtype: {n_patients} patients, {survival.n_deaths} deaths, {tested}"
    draw_survival(curves, survival.times, title, path)


def draw_visibility(of: GeneVisibility, path: Path) -> None:
    """Importance of each gene by how well images predict it."""
    panels = [VisibilityPanel(name, of.importance[at]) for at, name in enumerate(of.classes)]
    title = "Can the genes that matter be predicted from images? grey: 95 % of unrelated values"
    draw_gene_visibility(of.genes, (of.correlation, of.chance), panels, title, path)


def _dots(answer: ClassAnswer) -> Iterator[ScoreDot]:
    for method, auroc in answer.aurocs():
        chance = None
        if method in answer.scores.auroc:
            draws = answer.chance_draws(method)
            chance = (float(draws.mean()), *chance_range(draws))
        yield ScoreDot(METHODS[method], auroc, *answer.interval(auroc), chance)


def _curve(answer: ClassAnswer, genes: tuple[str, ...], at: int) -> ShapeCurve:
    shapes = answer.shapes
    low, median, high = np.percentile(shapes.drawn[:, :, at], [2.5, 50, 97.5], axis=0)
    held = None if shapes.constrained is None else shapes.constrained[:, at]
    title = genes[at] + (f" ({answer.hold[at]})" if at in answer.hold else "")
    return ShapeCurve(title, shapes.at[:, at], median, low, high, held)
