"""Choice of genes, models and maps that fit on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histoscribe.benchmark.results import ranked_genes
from histoscribe.benchmark.views import View, evenly
from histoscribe.report.histograms import BINS, patient_groups
from histoscribe.report.pack import PLACE_LEVELS, pack

LEVELS = (126, 62, 30)
"""Steps between the lowest and highest value of a gene in a section; fewer take less space."""

_FEWEST = 3  # best, median and worst
_FIRST = 20  # genes on the first look at the table
_NUMBER = 11  # bytes of a score in JSON, with its comma; an undefined one is shorter
_SAMPLE = 40  # genes whose size says that of all
_SCORES = 6  # bytes of two section scores of one gene and model, in base64
_GENE = 5  # bytes of the number of a gene in a section
_VIEW = 500  # bytes of names, position and shape of a section, without its spots


@dataclass(frozen=True)
class Room:
    """Most bytes of the parts of a page; a page of six small sections has at most 2.5 MB."""

    charts: int = 500_000
    """Scores, facts and histograms of genes."""
    maps: int = 1_400_000
    """Positions, measured and predicted values, and the scores of sections."""
    tissue: int = 200_000
    """Pictures below the maps."""


@dataclass(frozen=True)
class Choice:
    """Genes, models and sections that a page shows."""

    charted: tuple[str, ...]
    """Genes of the charts, the best `pcc_given_depth` of the best model first."""
    views: tuple[View, ...]
    best: str
    """Model with maps of `genes`."""
    others: tuple[str, ...]
    """Models with maps of `shared`."""
    genes: tuple[str, ...]
    """Genes with maps; a subset of the charted genes."""
    shared: tuple[str, ...]
    """Genes with maps of all models; a subset of `genes`."""
    levels: int
    """Steps between the lowest and the highest value of a map."""
    n_views: int
    n_genes: int
    """Numbers of genes and sections before the choice."""

    def mapped(self, model: str) -> tuple[str, ...]:
        """Genes with maps of this model."""
        return self.genes if model == self.best else self.shared

    @property
    def models(self) -> tuple[str, ...]:
        """Models with maps, the best first."""
        return (self.best, *(self.others if self.shared else ()))


@dataclass(frozen=True)
class _Cost:
    """Bytes of maps."""

    places: float
    """Of the positions of all spots, and of what a section has besides values."""
    best: float
    """Of one gene: its measured values, and the prediction of the best model."""
    others: float
    """Of one gene: the predictions of the other models."""

    @classmethod
    def of(
        cls, views: Sequence[View], models: tuple[str, Sequence[str]], genes: set[str], levels: int
    ) -> "_Cost":
        """Cost of the best and the other models; the first view is packed as a sample.

        A gene counts in the sections whose panel has it.
        """
        n_spots = sum(view.n_spots for view in views)
        if not (n_spots and genes):
            return cls(0.0, 0.0, 0.0)
        best, others = models
        sample = views[0]
        parts = [len(genes.intersection(view.measured.genes)) / len(genes) for view in views]
        n_values = sum(part * view.n_spots for part, view in zip(parts, views, strict=True))
        n_panels = sum(parts)

        def of_model(values: np.ndarray) -> float:
            part = values[:, :_SAMPLE]
            return len(pack(part, levels).deflated) / part.size * n_values

        places = len(pack(sample.measured.xy_um, PLACE_LEVELS).deflated) / sample.n_spots * n_spots
        main = of_model(sample.measured.values) + of_model(sample.predicted(best))
        rest = sum(of_model(sample.predicted(model)) + _SCORES * n_panels for model in others)
        return cls(
            places + _VIEW * len(views),
            main + (_SCORES + _GENE) * n_panels,
            rest + _GENE * n_panels if others else 0.0,
        )

    def total(self, n_genes: int, n_shared: int) -> float:
        """Bytes of maps of so many genes."""
        return self.places + n_genes * self.best + n_shared * self.others


def choose(
    genes: pd.DataFrame, models: Sequence[str], best: str, views: Sequence[View], room: Room
) -> Choice:
    """Choose what fits: maps of all genes and models, in steps as fine as possible.

    If they do not fit in the coarsest steps, the other models have maps of fewer genes than the
    best one, then it too has fewer, evenly spaced by rank: best, median and worst gene are always
    included, so the choice is never the best genes only. Genes without a score are dropped first.
    If even three genes do not fit, sections are left out, evenly spaced.
    """
    ranked = ranked_genes(genes, best)
    known = set(ranked)
    unknown = tuple(sorted({str(name) for name in genes["gene"]} - known))
    a_gene = _chart_bytes(genes["model"].nunique(), len(patient_groups(views)))
    charted = _fitting(ranked, unknown, room.charts // a_gene)
    others = tuple(name for name in models if name != best)
    levels, cost = _levels(views, (best, others), set(charted), room)
    left = room.maps - cost.places
    mapped = _some(charted, known, left / cost.best) if cost.best else ()
    left -= len(mapped) * cost.best
    n_shared = left / cost.others if cost.others else 0
    shared = _some(mapped, known, n_shared) if n_shared >= _FEWEST else ()
    fits = cost.total(len(mapped), 0) <= room.maps
    return Choice(
        charted=charted,
        views=tuple(views) if fits else _fewer(views, best, set(mapped), room),
        best=best,
        others=others,
        genes=mapped,
        shared=shared,
        levels=levels,
        n_views=len(views),
        n_genes=len(ranked) + len(unknown),
    )


def _levels(
    views: Sequence[View], models: tuple[str, Sequence[str]], genes: set[str], room: Room
) -> tuple[int, _Cost]:
    """The finest steps in which everything fits, else the coarsest."""
    costs = ((levels, _Cost.of(views, models, genes, levels)) for levels in LEVELS[:-1])
    fits = (of for of in costs if of[1].total(len(genes), len(genes)) <= room.maps)
    return next(fits, None) or (LEVELS[-1], _Cost.of(views, models, genes, LEVELS[-1]))


def _some(genes: Sequence[str], known: set[str], n_fit: float) -> tuple[str, ...]:
    """So many of the genes, those with a score first."""
    return _fitting(
        tuple(gene for gene in genes if gene in known),
        tuple(gene for gene in genes if gene not in known),
        int(n_fit),
    )


def _fitting(ranked: tuple[str, ...], unknown: tuple[str, ...], n_fit: int) -> tuple[str, ...]:
    """All genes if they fit; else best, worst, median and evenly spaced ranks between.

    Where there is room for many, the first ones are all among them: readers open these.
    """
    everything = ranked + unknown
    if len(everything) <= n_fit:
        return everything
    of = ranked or unknown
    n_first = min(_FIRST, len(of)) if n_fit >= 3 * _FIRST else 0
    later = evenly(range(n_first, len(of)), max(n_fit - n_first - 1, _FEWEST))
    places = {len(of) // 2, *range(n_first), *later}
    return tuple(of[place] for place in sorted(places))


def _fewer(views: Sequence[View], best: str, genes: set[str], room: Room) -> tuple[View, ...]:
    for n_views in range(len(views) - 1, 0, -1):
        part = tuple(views[place] for place in evenly(range(len(views)), n_views))
        if _Cost.of(part, (best, ()), genes, LEVELS[-1]).total(len(genes), 0) <= room.maps:
            return part
    return ()


def _chart_bytes(n_models: int, n_groups: int) -> int:
    """Bytes of a gene in the charts: name, id, facts, bins, and three scores per model."""
    return 60 + 6 * _NUMBER + 5 * BINS * n_groups + 3 * _NUMBER * n_models
