"""Pictures and values of a run for its report.

Maps of two genes per section, the best predicted and the median one, labelled as such; the spots
over the image; the tissue as a thumbnail; and all measured values.
"""

from collections.abc import Iterator

import pandas as pd

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.file_names import file_name, labels_of
from histoscribe.benchmark.measured_maps import measured_file, measured_of, write_measured
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.score import Truth
from histoscribe.plot.maps import MapText, expression_map
from histoscribe.plot.overlay import spot_overlay
from histoscribe.plot.thumbnail import tissue_thumbnail
from histoscribe.predictor.limits import beyond_training
from histoscribe.progress import track
from histoscribe.types import Fold, GeneMap


def draw_maps(
    plan: RunPlan, truths: list[tuple[Fold, Truth]], genes: pd.DataFrame, model: str
) -> list[GeneMap]:
    """Write a map for each section and chosen gene, and the section's data for the report.

    In `figures/`: `maps/<section>/<gene>.png`, `overlays/<section>.png`, `tissue/<section>.jpg`
    with its position; in `maps/` the measured values. Existing files are kept.

    Genes are chosen by their `pcc_given_depth` on the test sections, so the first map shows the
    best gene of the panel; the median gene is typical.
    """
    figures = plan.out / "figures"
    for name in track(sorted({truth.section for _, truth in truths}), "overlays"):
        section, overlay = (
            plan.run_data.cohort[name],
            figures / "overlays" / f"{file_name(name)}.png",
        )
        if not overlay.exists():
            spot_overlay(section, overlay)
        tissue_thumbnail(section, figures / "tissue" / file_name(name))
    for fold, truth in truths:
        _keep_measured(plan, fold, truth)
    wanted = list(_wanted(truths, picked_genes(genes, model), model))
    for fold, truth, item in track(wanted, "maps"):
        if not (figures / item.file).exists():
            _draw(plan, fold, truth, item)
    return [item for _, _, item in wanted]


def picked_genes(genes: pd.DataFrame, model: str) -> dict[str, str]:
    """Gene -> reason for showing it: best and median by `pcc_given_depth`."""
    names = ranked_genes(genes, model)
    if not names:
        return {}
    return {names[len(names) // 2]: "median gene", names[0]: "best gene, chosen on test data"}


def _keep_measured(plan: RunPlan, fold: Fold, truth: Truth) -> None:
    path = measured_file(plan.out, fold, truth.section)
    if not path.exists():
        unit = plan.targets[fold.name].transform
        section = plan.run_data.cohort[truth.section]
        write_measured(measured_of(fold, truth, section, unit), path)


def _draw(plan: RunPlan, fold: Fold, truth: Truth, item: GeneMap) -> None:
    prediction = cell_prediction(plan, fold, item.model, truth.section)
    column = truth.genes.index(item.gene)
    label = labels_of(plan.run_data.cohort, [item.gene]).get(item.gene, item.gene)
    expression_map(
        plan.run_data.cohort[truth.section].take(fold.test[truth.section]),
        truth.measured[:, column],
        prediction.values[:, column],
        MapText(gene=label, unit=prediction.head.unit, model=item.model, why=item.why),
        plan.out / "figures" / item.file,
        beyond_training(prediction),
    )


def _wanted(
    truths: list[tuple[Fold, Truth]], chosen: dict[str, str], model: str
) -> Iterator[tuple[Fold, Truth, GeneMap]]:
    seen: set[tuple[str, str]] = set()
    for fold, truth in truths:
        for gene, why in chosen.items():
            if gene in truth.genes and (truth.section, gene) not in seen:
                seen.add((truth.section, gene))
                file = f"maps/{file_name(truth.section)}/{file_name(gene)}.png"
                yield fold, truth, GeneMap(file, truth.section, gene, model, why)
