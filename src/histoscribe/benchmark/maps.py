"""Maps of two genes a section: the one predicted best and the median one, both said to be so."""

from collections.abc import Iterator

import pandas as pd

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.plan import Plan
from histoscribe.benchmark.score import Truth
from histoscribe.plot.maps import expression_map
from histoscribe.plot.overlay import spot_overlay
from histoscribe.progress import track
from histoscribe.types import Fold


def draw_maps(
    plan: Plan, truths: list[tuple[Fold, Truth]], genes: pd.DataFrame, model: str
) -> None:
    """Write a map for each section and gene picked, and each section's spots over its image.

    `figures/<section>-<gene>.png` and `figures/<section>-overlay.png`; what is there is kept.

    Genes are picked by their `pcc_given_depth` on the test sections, so the first map is the
    best of the panel and not what to expect; the median one is.
    """
    chosen = picked_genes(genes, model)
    for section in track(sorted({truth.section for _, truth in truths}), "overlays"):
        overlay = plan.out / "figures" / f"{section}-overlay.png"
        if not overlay.exists():
            spot_overlay(plan.bank.cohort[section], overlay)
    for fold, truth, gene in track(list(_wanted(truths, chosen)), "maps"):
        path = plan.out / "figures" / f"{truth.section}-{gene}.png"
        if path.exists():
            continue
        prediction = cell_prediction(plan, fold, model, truth.section)
        column = truth.genes.index(gene)
        expression_map(
            plan.bank.cohort[truth.section].take(fold.test[truth.section]),
            truth.measured[:, column],
            prediction.values[:, column],
            gene,
            path,
            unit=f"{prediction.unit}, {model}",
        )


def picked_genes(genes: pd.DataFrame, model: str) -> dict[str, str]:
    """Gene -> why it is shown: best and median by `pcc_given_depth`."""
    of_model = genes[genes["model"] == model].dropna(subset=["pcc_given_depth"])
    ranked = of_model.sort_values(["pcc_given_depth", "gene"], ascending=[False, True])
    if ranked.empty:
        return {}
    names = list(ranked["gene"])
    return {names[len(names) // 2]: "median gene", names[0]: "best gene, picked on test data"}


def _wanted(
    truths: list[tuple[Fold, Truth]], chosen: dict[str, str]
) -> Iterator[tuple[Fold, Truth, str]]:
    seen: set[tuple[str, str]] = set()
    for fold, truth in truths:
        for gene in chosen:
            if gene in truth.genes and (truth.section, gene) not in seen:
                seen.add((truth.section, gene))
                yield fold, truth, gene
