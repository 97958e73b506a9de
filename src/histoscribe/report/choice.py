"""Which maps a page can carry: all of them, or a fair choice that says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from histoscribe.report.views import View, evenly

MAP_BYTES = 4_500_000
"""What the values of all maps may take of a page."""

_FEWEST = 3  # best, median and worst


@dataclass(frozen=True)
class Choice:
    """What the maps of a page show."""

    views: tuple[View, ...]
    models: tuple[str, ...]
    genes: tuple[str, ...]
    """Ordered by the best model's `pcc_given_depth`, undefined ones last."""
    n_views: int
    n_models: int
    n_genes: int
    """Of how many each was chosen."""


def choose(
    genes: pd.DataFrame,
    models: Sequence[str],
    best: str,
    views: Sequence[View],
    most_bytes: int = MAP_BYTES,
) -> Choice:
    """Choose what fits: all models and genes, else one model, else genes evenly spaced by rank.

    Best, median and worst gene are always there, and never the best ones only. Where even three
    genes do not fit, sections are left out, evenly spaced.
    """
    ranked = ranked_genes(genes, best)
    n_spots = sum(view.n_spots for view in views)
    shown_models, shown_genes, shown_views = tuple(models), ranked, tuple(views)
    if _bytes(n_spots, len(models), len(ranked)) > most_bytes:
        shown_models = (best,)
    n = int(most_bytes // max(_bytes(n_spots, len(shown_models), 1), 1.0))
    if n < len(ranked):
        shown_genes = tuple(_spread(ranked, max(n, _FEWEST)))
    if n < _FEWEST:
        share = most_bytes / _bytes(n_spots, 1, len(shown_genes))
        n_views = max(1, int(len(views) * share))
        shown_views = tuple(views[i] for i in evenly(range(len(views)), n_views))
    totals = len(views), len(models), len(ranked)
    return Choice(shown_views, shown_models, shown_genes, *totals)


def ranked_genes(genes: pd.DataFrame, model: str) -> tuple[str, ...]:
    """Genes of a model from the best `pcc_given_depth` down; ties by name, undefined last."""
    of_model = genes[genes["model"] == model]
    ranked = of_model.sort_values(["pcc_given_depth", "gene"], ascending=[False, True])
    return tuple(str(name) for name in ranked["gene"])


def _spread(ranked: Sequence[str], n: int) -> list[str]:
    """Best, worst, the median, and evenly spaced ranks between."""
    chosen = {len(ranked) // 2, *evenly(range(len(ranked)), n)}
    return [ranked[place] for place in sorted(chosen)]


def _bytes(n_spots: int, n_models: int, n_genes: int) -> float:
    # base64 makes four letters of three bytes; measured and each model
    return 4 / 3 * n_spots * (1 + n_models) * n_genes
