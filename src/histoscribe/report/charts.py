"""Data of the charts on a page, as plain values for its script."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.views import View
from histoscribe.metrics.chance import CHANCE_Q
from histoscribe.report.figures import embedded
from histoscribe.report.histograms import depth_counts, gene_counts
from histoscribe.report.pack import pack
from histoscribe.report.page_budget import Choice, Room, choose
from histoscribe.report.run import Run
from histoscribe.report.summary import HEADLINE, REFERENCE_ROWS

ROOM = Room()
_TISSUE_WIDTHS_PX = (900, 600, 400, 250)
_OF_GENE = ("null_low", "null_high", "detection_rate", "skewness")


def page_choice(run: Run, room: Room | None = None) -> Choice:
    """Genes, models and sections that the charts and maps show."""
    names = [str(name) for name in run.genes["model"].unique()]
    models = [name for name in names if name not in REFERENCE_ROWS]
    return choose(run.genes, models, run.best_model, run.views, room or ROOM)


def charts(run: Run, choice: Choice) -> dict[str, Any]:
    """All data of the script; table numbers equal those of the run's files exactly."""
    genes = sorted(choice.charted, key=lambda gene: (run.label(gene), gene))
    return {
        "genes": [run.label(gene) for gene in genes],
        "facts": _facts(run.genes, genes),
        "models": [_model(run.genes, str(name), genes) for name in run.genes["model"].unique()],
        "best": run.best_model,
        "chanceQ": CHANCE_Q,
        "marked": _marked(run, genes),
        "unitName": unit_of(run),
        "leaky": run.leaky is not None,
        "maps": _maps(run, choice, genes),
        "histograms": _histograms(run.views, genes),
    }


def unit_of(run: Run) -> str:
    """Transform of the target; empty for a run without stored values."""
    return run.views[0].measured.unit if run.views else ""


def _marked(run: Run, genes: Sequence[str]) -> dict[str, int]:
    """Best, median and worst gene of the best model among genes with a score; empty without any."""
    ranked = ranked_genes(run.genes, run.best_model)
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    return {name: genes.index(ranked[place]) for name, place in places.items()} if ranked else {}


def _facts(table: pd.DataFrame, genes: Sequence[str]) -> dict[str, list[float | None]]:
    """Facts of each gene, independent of any model."""
    of_gene = table.drop_duplicates("gene").set_index("gene").loc[list(genes)]
    return {name: _plain(of_gene[name].to_numpy(dtype=float)) for name in _OF_GENE}


def _model(table: pd.DataFrame, name: str, genes: Sequence[str]) -> dict[str, Any]:
    of_model = table[table["model"] == name].set_index("gene").reindex(list(genes))
    scores = {column: _plain(of_model[column].to_numpy(dtype=float)) for column in (*HEADLINE, "q")}
    return {"name": name, **scores}


def _maps(run: Run, choice: Choice, genes: Sequence[str]) -> dict[str, Any]:
    pictures = [view.tissue for view in choice.views]
    paths = [tissue[0] for tissue in pictures if tissue]
    small = {
        path: figure.uri
        for path, figure in zip(
            paths, embedded(paths, ROOM.tissue, _TISSUE_WIDTHS_PX), strict=False
        )
    }
    scores = _section_scores(run.scores, choice)
    twice = len({view.measured.section for view in choice.views}) < len(choice.views)
    shown = {gene: genes.index(gene) for gene in choice.genes}
    return {
        "models": list(choice.models),
        "views": [
            {
                **_view(view, shown, choice.models, scores),
                "name": _view_name(view, twice=twice),
                "tissue": (
                    {"uri": small[tissue[0]], **asdict(tissue[1])}
                    if tissue and tissue[0] in small
                    else None
                ),
            }
            for view, tissue in zip(choice.views, pictures, strict=True)
        ],
    }


def _view_name(view: View, *, twice: bool) -> str:
    name = f"section {view.measured.section} (patient {view.measured.patient})"
    return f"{name}, fold {view.measured.fold}" if twice else name


Scores = Mapping[tuple[str, str, str, str], Mapping[str, float]]
"""(metric, model, fold, section) -> gene -> score."""


def _section_scores(scores: pd.DataFrame, choice: Choice) -> Scores:
    wanted = scores[
        scores["metric"].isin(HEADLINE)
        & scores["model"].isin(choice.models)
        & scores["gene"].isin(choice.genes)
        & (scores["section"] != "*")
    ]
    levels = ["metric", "model", "fold", "section"]
    return {
        (str(metric), str(model), str(fold), str(section)): dict(
            zip(rows["gene"], rows["value"], strict=True)
        )
        for (metric, model, fold, section), rows in wanted.groupby(levels, sort=False)
    }


def _view(
    view: View, shown: Mapping[str, int], models: Sequence[str], scores: Scores
) -> dict[str, Any]:
    measured = view.measured
    columns = [i for i, gene in enumerate(measured.genes) if gene in shown]
    names = [measured.genes[i] for i in columns]
    about = measured.fold, measured.section
    return {
        "patient": measured.patient,
        "diameter": round(measured.diameter_um, 1),
        "shape": measured.shape,
        "x": _plain(np.round(measured.xy_um[:, 0], 1)),
        "y": _plain(np.round(measured.xy_um[:, 1], 1)),
        "genes": [shown[name] for name in names],
        "measured": asdict(pack(measured.values[:, columns])),
        "predicted": {model: asdict(pack(view.predicted(model)[:, columns])) for model in models},
        "scores": {
            model: {
                metric: _plain([scores.get((metric, model, *about), {}).get(n) for n in names])
                for metric in HEADLINE
            }
            for model in models
        },
    }


def _histograms(views: Sequence[View], genes: Sequence[str]) -> dict[str, Any] | None:
    if not views:
        return None
    of_genes, depth = gene_counts(views, genes), depth_counts(views)
    return {
        "low": _plain(of_genes.low.round(4)),
        "high": _plain(of_genes.high.round(4)),
        "groups": list(of_genes.groups),
        "spots": of_genes.spots.tolist(),
        "depth": {
            "edges": _plain(depth.edges.round(4)),
            "groups": list(depth.groups),
            "spots": depth.spots.tolist(),
        },
    }


def _plain(values: Sequence[float | None] | Float[np.ndarray, " n"]) -> list[float | None]:
    """Numbers for JSON: undefined ones become null."""
    return [None if v is None or not math.isfinite(v) else float(v) for v in values]
