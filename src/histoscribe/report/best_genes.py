"""The genes that the best model predicts best, each measured and predicted in one section."""

import math
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.views import View
from histoscribe.report.dot_map import colour_scale, dot_map
from histoscribe.report.run import Run
from histoscribe.report.text import number

N_GENES = 3


@dataclass(frozen=True)
class BestGene:
    """One gene, with both maps as data URIs; they are empty in a run without stored values."""

    label: str
    address: str
    """Of its map on the page: gene, model and section, as the page's script reads it."""
    pcc_given_depth: str
    """Mean over patients."""
    q: str
    section: str
    patient: str
    pcc_in_section: str
    """`pcc_given_depth` in this section."""
    measured: str
    predicted: str


def best_genes(run: Run) -> tuple[BestGene, ...]:
    """The first genes by `pcc_given_depth` over patients, in the section of their median score.

    That section is neither their best nor their worst.
    """
    of_best = run.genes[run.genes["model"] == run.best_model]
    views = {(view.path.parent.name, view.measured.section): view for view in run.views}
    return tuple(
        _gene(run, gene, of_best[of_best["gene"] == gene].iloc[0], views)
        for gene in ranked_genes(run.genes, run.best_model)[:N_GENES]
    )


def _gene(run: Run, gene: str, facts: pd.Series, views: dict[tuple[str, str], View]) -> BestGene:
    fold, section, in_section = _median_section(run, gene, views)
    view = views.get((fold, section))
    measured, predicted = ("", "") if view is None else _pair(view, gene, run.best_model)
    return BestGene(
        label=run.label(gene),
        address=_address(gene, run.best_model, (fold, section), views),
        pcc_given_depth=number(float(facts["pcc_given_depth"])),
        q=number(float(facts["q"])),
        section=section,
        patient="" if view is None else view.measured.patient,
        pcc_in_section=number(in_section),
        measured=measured,
        predicted=predicted,
    )


def _address(
    gene: str, model: str, place: tuple[str, str], views: dict[tuple[str, str], View]
) -> str:
    if place not in views:
        return "#maps"
    fold, section = place
    twice = sum(name == section for _, name in views) > 1
    parts = {"gene": gene, "model": model, "section": section, **({"fold": fold} if twice else {})}
    return f"#{urlencode(parts)}"


def _median_section(
    run: Run, gene: str, views: dict[tuple[str, str], View]
) -> tuple[str, str, float]:
    """Fold, section and score of the section with a map whose score is the median."""
    scores = run.scores
    rows = scores[
        (scores["model"] == run.best_model)
        & (scores["metric"] == "pcc_given_depth")
        & (scores["gene"] == gene)
    ].dropna(subset=["value"])
    known = sorted(
        (float(value), str(fold), str(section))
        for value, fold, section in zip(rows["value"], rows["fold"], rows["section"], strict=True)
        if (str(fold), str(section)) in views
    )
    if not known:
        return "", "", math.nan
    value, fold, section = known[len(known) // 2]
    return fold, section, value


def _pair(view: View, gene: str, model: str) -> tuple[str, str]:
    kept = view.measured
    column = kept.genes.index(gene)
    values = kept.values[:, column], view.predicted(model)[:, column]
    scale = colour_scale(np.concatenate(values).astype(float))
    measured, predicted = (dot_map(kept.xy_um, of.astype(float), scale) for of in values)
    return measured, predicted
