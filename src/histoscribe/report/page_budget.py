"""Choice of genes, models and maps that fit on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.views import View, evenly
from histoscribe.report.histograms import BINS, patient_groups

_FEWEST = 3  # best, median and worst
_NUMBER = 11  # bytes of a score in JSON, with its comma; an undefined one is shorter


@dataclass(frozen=True)
class Room:
    """Most bytes of the parts of a page; with Plotly and tables it stays below 15 MB."""

    charts: int = 1_700_000
    """Scores, facts and histograms of genes."""
    maps: int = 4_000_000
    """Positions, measured and predicted values, and the scores of sections."""
    tissue: int = 1_500_000
    """Pictures below the maps."""


@dataclass(frozen=True)
class Choice:
    """Genes, models and sections that a page shows."""

    charted: tuple[str, ...]
    """Genes of the charts, the best `pcc_given_depth` of the best model first."""
    views: tuple[View, ...]
    models: tuple[str, ...]
    genes: tuple[str, ...]
    """Genes with maps; a subset of the charted genes."""
    n_views: int
    n_models: int
    n_genes: int
    """Numbers of genes, models and sections before the choice."""


def choose(
    genes: pd.DataFrame, models: Sequence[str], best: str, views: Sequence[View], room: Room
) -> Choice:
    """Choose what fits: all models and genes, else one model, else genes evenly spaced by rank.

    Best, median and worst gene are always included, so the choice is never the best genes only; if
    not all fit, genes without a score are dropped first. If even three genes do not fit, sections
    are left out, evenly spaced.
    """
    ranked = ranked_genes(genes, best)
    known = set(ranked)
    unknown = tuple(sorted({str(name) for name in genes["gene"]} - known))
    a_gene = _chart_bytes(genes["model"].nunique(), len(patient_groups(views)))
    charted = _fitting(ranked, unknown, room.charts // a_gene)
    everything = _map_bytes(views, len(models), len(charted)) <= room.maps
    shown_models = tuple(models) if everything else (best,)
    fixed = _map_bytes(views, len(shown_models), 0)
    a_map = max(_map_bytes(views, len(shown_models), 1) - fixed, 1.0)
    n_genes = int((room.maps - fixed) // a_map)
    mapped = _fitting(
        tuple(gene for gene in charted if gene in known),
        tuple(gene for gene in charted if gene not in known),
        n_genes,
    )
    shown_views = tuple(views) if n_genes >= _FEWEST else _fewer(views, room.maps)
    totals = len(views), len(models), len(ranked) + len(unknown)
    return Choice(charted, shown_views, shown_models, mapped, *totals)


def _fitting(ranked: tuple[str, ...], unknown: tuple[str, ...], n_fit: int) -> tuple[str, ...]:
    """All genes if they fit; else best, worst, median and evenly spaced ranks between."""
    everything = ranked + unknown
    if len(everything) <= n_fit:
        return everything
    of = ranked or unknown
    places = {len(of) // 2, *evenly(range(len(of)), max(n_fit - 1, _FEWEST))}
    return tuple(of[place] for place in sorted(places))


def _fewer(views: Sequence[View], most_bytes: int) -> tuple[View, ...]:
    for n_views in range(len(views), 0, -1):
        chosen = tuple(views[place] for place in evenly(range(len(views)), n_views))
        if _map_bytes(chosen, 1, _FEWEST) <= most_bytes:
            return chosen
    return ()


def _chart_bytes(n_models: int, n_groups: int) -> int:
    """Bytes of a gene in the charts: name, facts, bins, and three scores per model."""
    return 40 + 6 * _NUMBER + 5 * BINS * n_groups + 3 * _NUMBER * n_models


def _map_bytes(views: Sequence[View], n_models: int, n_genes: int) -> float:
    # base64 turns three bytes into four letters; measured and each model
    n_spots = sum(view.n_spots for view in views)
    values = 4 / 3 * n_spots * (1 + n_models) * n_genes
    places = 20 * n_spots
    ranges_and_scores = _NUMBER * (3 + 4 * n_models) * n_genes * len(views)
    return values + places + ranges_and_scores
