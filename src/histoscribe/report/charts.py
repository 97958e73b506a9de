"""Data of the charts on a page, as plain values for its script."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.views import View
from histoscribe.metrics.chance import CHANCE_Q
from histoscribe.report.histograms import depth_counts, gene_counts
from histoscribe.report.map_data import map_data
from histoscribe.report.model_dots import model_dots
from histoscribe.report.page_budget import Choice, Room, choose
from histoscribe.report.run import Run
from histoscribe.report.summary import HEADLINE, REFERENCE_ROWS

ROOM = Room()
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
        "ids": genes,
        "facts": _facts(run.genes, genes),
        "models": [_model(run.genes, str(name), genes) for name in run.genes["model"].unique()],
        "dots": model_dots(run),
        "best": run.best_model,
        "chanceQ": CHANCE_Q,
        "marked": _marked(run, genes),
        "unitName": unit_of(run),
        "leaky": run.leaky is not None,
        "maps": map_data(run, choice, genes, ROOM),
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
    return {"name": name, "isReference": name in REFERENCE_ROWS, **scores}


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
